"""Which lines of a phase file's section are backend tasks, and what becomes of every other.

Each line ends as one of three: taken, left out with its reason, or a question to the user. A line's
side is what it says of itself (`[Backend]`, `Backend: …`, an id like `BE-7`), else what the item or
the heading above it says. Must not live here: reading the file (`phase.py`), writing the document
(`begin.py`)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from harness.workflow.phase import PhaseFile, PhaseSection, PhaseTask, plain_title


class Side(StrEnum):
    """Whose work a line is, as far as it says."""

    BACKEND = "back-end"
    FRONTEND = "front-end"
    BOTH = "back-end and front-end"
    UNSAID = ""


class Fate(StrEnum):
    """What becomes of a line."""

    TAKEN = "taken"
    LEFT_OUT = "left out"
    ASKED = "a question"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one line, and why."""

    task: PhaseTask
    fate: Fate
    reason: str


@dataclass(frozen=True, slots=True)
class TakenTask:
    """A task for the document: with a box, or (`is_detail`) as a plain line under one."""

    text: str
    line: int
    is_detail: bool
    children: tuple[TakenTask, ...]

    def walk(self) -> Iterator[TakenTask]:
        """Yield the task and all that is nested in it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a section is backend work.

    Attributes:
        decisions: One for each line, in the file's order.
        components: The taken ones as the document will have them: components, their tasks.
    """

    section: PhaseSection
    decisions: tuple[Decision, ...]
    components: tuple[TakenTask, ...]

    def of(self, fate: Fate) -> tuple[Decision, ...]:
        """Return the decisions of one kind."""
        return tuple(decision for decision in self.decisions if decision.fate is fate)


def select_backend_tasks(
    phase: PhaseFile, section: PhaseSection, take: Collection[int] | None = ()
) -> Selection:
    """Decide about every line of a section.

    Args:
        phase: The file that has it.
        section: The feature.
        take: Lines that the user says are backend work; what is nested in them comes along. None:
            all that would be a question.
    """
    chooser = _Chooser(section, take)
    above = list(section.headings_above())
    inherited = next(
        (context for found in (section, *above) if (context := _of_heading(found))), None
    )
    components = chooser.section(section, inherited, section)
    decisions = sorted(chooser.decisions, key=lambda decision: decision.task.line)
    return Selection(section, tuple(decisions), tuple(components))


def words_of(task: PhaseTask) -> str:
    """Return a task's text without what says that it is backend work."""
    text = task.text
    for _ in range(3):
        lead = _SIDE_LEAD.match(text)
        if lead is None or _side_of_lead(lead) is Side.UNSAID or lead.end() == len(text):
            break
        text = text[lead.end() :]
    tail = _SIDE_TAIL.search(text)
    if tail is not None and _side_of_words(tail["words"]) is not Side.UNSAID and tail.start():
        text = text[: tail.start()]
    return text.strip() or task.text


@dataclass(frozen=True, slots=True)
class _Context:
    """A side that lines inherit, and where it is said."""

    side: Side
    where: str


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SIDE_LEAD = re.compile(
    r"(?:\*{2}|`)?(?:"
    r"[\[(](?P<bracketed>[^\[\]()]{1,40})[\])](?:\*{2}|`)?:?"
    r"|(?P<named>[\w /&+-]{1,40}?)(?:\*{2}|`)?:(?:\*{2}|`)?"
    r"|(?P<ended>[\w /&+-]{1,20}?)(?:\*{2}|`)? [–—-](?= )"
    r")(?!\()\s+"
)
_SIDE_TAIL = re.compile(r"\s*[\[(](?P<words>[^\[\]()]{1,40})[\])]\s*$")
_ID_OF_SIDE = re.compile(r"(?:id: |\*\*)?(BE|FE)[-_ ]?\d")
_STRUCK = re.compile(r"~~.*~~")

# Words by which teams say whose work it is. The first two decide wherever they stand in a heading;
# the others only where nothing but fillers stands beside them.
_BACKEND_NAME = re.compile(r"\b(?:back[- ]?end|server[- ]?side)\b")
_FRONTEND_NAME = re.compile(r"\b(?:front[- ]?end|client[- ]?side)\b")
_BACKEND_WORDS = _words(
    "be server api apis database db firebase firestore functions function cloud rules indexes"
)
_FRONTEND_WORDS = _words(
    "fe client ui ux flutter app mobile ios android widget widgets screen screens"
)
_MERE_SIDES = _words(
    "be server fe client ui ux"
)  # of those, the ones that name no part of a feature
_BOTH_WORDS = _words("fullstack full-stack both")
_FILLERS = _words(
    "task tasks work checklist list items item todo todos implementation development requirements "
    "the and of for part side section steps step changes scope"
)
_WORD = re.compile(r"[\w-]+")

_OUT_OF_SCOPE = re.compile(
    r"\b(?:out of scope|not in scope|non-?goals?|later|future|won'?t do|deferred)\b", re.IGNORECASE
)
_NO_TASKS = re.compile(
    r"^(?:acceptance criteria|success (?:criteria|metrics)|definition of done|criteria|references?"
    r"|resources|links|notes?|risks?(?: .*)?|dependencies|prerequisites|budgets?|objectives?|goals?"
    r"|overview|introduction|background|context|assumptions|open questions|deliverables|metrics"
    r"|user stor(?:y|ies)|kpis?|timeline|estimates?)$",
    re.IGNORECASE,
)
_SPEAKS_OF_FRONTEND = re.compile(
    r"\b(?:screens?|widgets?|buttons?|layouts?|animations?|ui|ux|themes?|pages?|icons?|navigation"
    r"|tabs?|dialogs?|snackbars?|responsive|styling)\b",
    re.IGNORECASE,
)


class _Chooser:
    """Decides line by line, and keeps what was decided."""

    def __init__(self, feature: PhaseSection, take: Collection[int] | None) -> None:
        self.feature = feature
        self.takes_all = take is None
        self.take = frozenset(take or ())
        self.decisions: list[Decision] = []
        tasks = list(feature.all_tasks())
        self.some_are_marked = any(task.is_marked for task in tasks)
        self.sides_are_said = any(_of_itself(task) is not Side.UNSAID for task in tasks) or any(
            _of_heading(section) is not None for section in feature.walk()
        )

    def section(
        self, section: PhaseSection, inherited: _Context | None, group: PhaseSection
    ) -> list[TakenTask]:
        """Decide about a section's own lines and those under it; returns its components."""
        own = [taken for task in section.tasks for taken in self.task(task, inherited, section)]
        components: list[TakenTask] = []
        if group is self.feature:
            loose = [taken for taken in own if not _has_tasks(taken)]
            if loose:
                components.append(
                    TakenTask(self.feature.name, self.feature.line, False, tuple(loose))
                )
            components += [taken for taken in own if _has_tasks(taken)]
        elif own:
            components.append(TakenTask(group.name, group.line, False, tuple(own)))
        for under in section.sections:
            context = _of_heading(under) or inherited
            part = group if _names_no_part(under.title) else under
            components += self.section(under, context, part)
        return _joined(components)

    def task(
        self, task: PhaseTask, inherited: _Context | None, section: PhaseSection
    ) -> list[TakenTask]:
        """Decide about a line and those nested in it; returns what of it is taken."""
        own = _of_itself(task)
        context = inherited
        if own is not Side.UNSAID:
            context = _Context(own, f"line {task.line}")
        if task.line in self.take:
            context = _Context(Side.BACKEND, f"line {task.line}, which you took")
        decided = len(self.decisions)
        children = [
            taken for child in task.children for taken in self.task(child, context, section)
        ]
        below = self.decisions[decided:]
        fate, reason = self._fate(task, own, context, section, bool(children), below)
        self.decisions.append(Decision(task, fate, reason))
        if fate is not Fate.TAKEN:
            return children
        marked = {found.line for found in task.walk() if found.is_marked}
        nested = [
            _as_detail(child) if task.is_marked and child.line not in marked else child
            for child in children
        ]
        notes = [TakenTask(text, task.line, True, ()) for text in task.details]
        return [TakenTask(words_of(task), task.line, False, (*notes, *nested))]

    def _fate(
        self,
        task: PhaseTask,
        own: Side,
        context: _Context | None,
        section: PhaseSection,
        some_are_taken: bool,
        below: list[Decision],
    ) -> tuple[Fate, str]:
        if task.line in self.take:
            return Fate.TAKEN, "you took it"
        if not task.text:
            return Fate.LEFT_OUT, "nothing is written there"
        if _STRUCK.fullmatch(task.text):
            return Fate.LEFT_OUT, "struck through"
        if task.children and _says_only_a_side(task.text):
            return Fate.LEFT_OUT, "no task, it says whose work is nested in it"
        heading = _heading_with(section, _OUT_OF_SCOPE)
        if heading is not None:
            return Fate.LEFT_OUT, f'under "{heading.name}" (line {heading.line})'
        if own in (Side.BACKEND, Side.BOTH):
            return Fate.TAKEN, f"it says {own.value}"
        if own is Side.FRONTEND:
            return Fate.LEFT_OUT, "it says front-end"
        heading = _heading_with(section, _NO_TASKS) if section is not self.feature else None
        if heading is not None and not some_are_taken:
            where = f'under "{heading.name}" (line {heading.line})'
            if task.is_marked:
                return self._ask(f"{where}: is it a task?")
            return Fate.LEFT_OUT, f"{where}, without a box"
        if context is not None and context.side is Side.FRONTEND and not some_are_taken:
            return Fate.LEFT_OUT, f"{context.where} is front-end work"
        if context is not None and context.side in (Side.BACKEND, Side.BOTH):
            return Fate.TAKEN, f"{context.where} is {context.side.value} work"
        if some_are_taken:
            return Fate.TAKEN, "backend tasks are nested in it"
        if below and all(decision.fate is Fate.LEFT_OUT for decision in below):
            return Fate.LEFT_OUT, "nothing that is nested in it is backend work"
        return self._unsaid(task)

    def _unsaid(self, task: PhaseTask) -> tuple[Fate, str]:
        if self.some_are_marked and not task.is_marked:
            return self._ask("no box, sign or tag: is it a task, and for the back end?")
        if self.sides_are_said:
            tags = ", ".join(task.tags)
            return self._ask(f"tagged {tags}" if tags else "does not say whose work it is")
        if _SPEAKS_OF_FRONTEND.search(task.text):
            return self._ask("does not say whose work it is, and sounds like front-end work")
        return Fate.TAKEN, "the section says of no line whose work it is"

    def _ask(self, reason: str) -> tuple[Fate, str]:
        if self.takes_all:
            return Fate.TAKEN, "you took all questions"
        return Fate.ASKED, reason


def _of_itself(task: PhaseTask) -> Side:
    """Return what a line says of itself."""
    sides = {_side_of_words(tag) for tag in task.tags}
    lead = _SIDE_LEAD.match(task.text)
    if lead is not None:
        sides.add(_side_of_lead(lead))
    for text in (task.text, *task.details[:1]):
        found = _ID_OF_SIDE.match(text)
        if found is not None:
            sides.add(Side.BACKEND if found[1] == "BE" else Side.FRONTEND)
    if _says_only_a_side(task.text):
        sides.add(_side_of_words(plain_title(task.text)))
    sides.discard(Side.UNSAID)
    if len(sides) > 1:
        return Side.BOTH
    return next(iter(sides), Side.UNSAID)


def _side_of_lead(lead: re.Match[str]) -> Side:
    return _side_of_words(lead["bracketed"] or lead["named"] or lead["ended"])


def _of_heading(section: PhaseSection) -> _Context | None:
    side = _side_of_words(section.title)
    if side in (Side.UNSAID, Side.BOTH):
        return None
    return _Context(side, f'"{section.name}" (line {section.line})')


def _side_of_words(text: str) -> Side:
    lower = re.sub(r"\([^()]*\)", " ", text.lower()).replace("security rules", "rules")
    named = {
        side
        for side, name in ((Side.BACKEND, _BACKEND_NAME), (Side.FRONTEND, _FRONTEND_NAME))
        if name.search(lower)
    }
    words = {word for word in _WORD.findall(lower) if not word.isdigit()} - _FILLERS
    if words and not named:
        if words <= _BOTH_WORDS:
            return Side.BOTH
        if words <= _BACKEND_WORDS:
            return Side.BACKEND
        if words <= _FRONTEND_WORDS:
            return Side.FRONTEND
    if len(named) > 1:
        return Side.BOTH
    return next(iter(named), Side.UNSAID)


def _says_only_a_side(title: str) -> bool:
    """Return whether a title names a side and no part of the feature: `Backend tasks`."""
    return _names_no_part(title) and _side_of_words(plain_title(title)) is not Side.UNSAID


def _names_no_part(title: str) -> bool:
    """Return whether a title names no part of the feature: as above, or `Tasks`, `Checklist`."""
    text = _FRONTEND_NAME.sub(" ", _BACKEND_NAME.sub(" ", plain_title(title).lower()))
    words = {word for word in _WORD.findall(text) if not word.isdigit()} - _FILLERS
    return words <= _MERE_SIDES | _BOTH_WORDS


def _heading_with(section: PhaseSection, pattern: re.Pattern[str]) -> PhaseSection | None:
    headings = (section, *section.headings_above())
    return next((found for found in headings if pattern.search(found.name)), None)


def _has_tasks(taken: TakenTask) -> bool:
    return any(not child.is_detail for child in taken.children)


def _as_detail(taken: TakenTask) -> TakenTask:
    children = tuple(_as_detail(child) for child in taken.children)
    return TakenTask(taken.text, taken.line, True, children)


def _joined(components: list[TakenTask]) -> list[TakenTask]:
    """Make one of components that come from the same line, as those of a part's headings."""
    by_line: dict[tuple[int, str], TakenTask] = {}
    for component in components:
        key = component.line, component.text
        known = by_line.get(key)
        children = component.children if known is None else (*known.children, *component.children)
        by_line[key] = TakenTask(component.text, component.line, False, children)
    return list(by_line.values())
