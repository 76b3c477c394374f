"""Mutants of a ruleset: the same text with one fault in it.

    for mutant in find_mutants(ruleset):
        print(mutant.id, mutant.position, mutant.description)
        print(mutant.diff(ruleset.source))

A mutant loads, and says something else than the ruleset and than every other mutant. One fault at a
time: checks that notice each of two faults notice both, nearly always. Which faults are tried:
`mutate_expressions.py`, `mutate_statements.py`; who notices a mutant: `scoring.py`.
"""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from harness.review.mutate_statements import Placed, Reach, placed_proposals
from harness.review.proposals import TextEdit, apply_edits
from harness.rules import nodes
from harness.rules.parser import SyntaxProblem, parse_ruleset
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.rules.scope import resolve
from harness.source import SourcePosition, SourceText, Span

__all__ = ["Effect", "Mutant", "Reach", "TextEdit", "find_mutants", "load_mutant"]

_ID_LENGTH = 8
_CONTEXT_LINES = 3

Declaration: TypeAlias = nodes.AllowStatement | nodes.FunctionDeclaration
_Block: TypeAlias = nodes.Ruleset | nodes.ServiceBlock | nodes.MatchBlock


class Effect(StrEnum):
    """What a mutant can do to decisions. The limits of a request apart, these are proven."""

    WIDENS = "widens"  # it allows all that the ruleset allows
    NARROWS = "narrows"  # it denies all that the ruleset denies
    CHANGES = "changes"  # either


_EFFECTS = {1: Effect.WIDENS, -1: Effect.NARROWS, 0: Effect.CHANGES}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A ruleset with one fault.

    Args:
        id: The same after edits elsewhere in the file.
        operator: The kind of fault.
        position: Where it is.
        description: What it is, in one line.
        effect: Whether it can allow more, or less.
        edits: How the text becomes the mutant's.
        reach: The decisions that it can change.
        declaration: The one allow statement or function that it changes, if so.
    """

    id: str
    operator: str
    position: SourcePosition
    description: str
    effect: Effect
    edits: tuple[TextEdit, ...]
    reach: Reach
    declaration: Span | None

    def text(self, source: SourceText) -> SourceText:
        """Return the mutant's text, of the same file name."""
        return SourceText(source.file_name, apply_edits(source.text, self.edits))

    def diff(self, source: SourceText) -> str:
        """Return the change as a unified diff, ending in a line end."""
        lines = difflib.unified_diff(
            source.text.splitlines(keepends=True),
            self.text(source).text.splitlines(keepends=True),
            f"a/{source.file_name}",
            f"b/{source.file_name}",
            n=_CONTEXT_LINES,
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def find_mutants(ruleset: CompiledRuleset) -> tuple[Mutant, ...]:
    """Return all mutants of a ruleset, in the order of its text."""
    return tuple(sorted(_mutants(ruleset), key=lambda mutant: mutant.edits[0].start))


def _mutants(ruleset: CompiledRuleset) -> Iterator[Mutant]:
    source = ruleset.source
    seen: set[object] = {_meaning(item) for item in _declarations(ruleset.tree)}
    texts: Counter[str] = Counter()
    for placed in placed_proposals(ruleset):
        edits = tuple(_spaced(source.text, edit) for edit in placed.proposal.edits)
        meaning = _meaning_of(ruleset, placed.declaration, edits)
        if meaning is None or meaning in seen:
            continue
        seen.add(meaning)
        identity = _identity(source.text, placed, edits)
        texts[identity] += 1
        proposal = placed.proposal
        yield Mutant(
            _digest(f"{identity}\0{texts[identity]}"),
            proposal.operator,
            source.position(proposal.at),
            proposal.description,
            _EFFECTS[proposal.direction],
            edits,
            placed.reach,
            placed.declaration,
        )


def load_mutant(ruleset: CompiledRuleset, mutant: Mutant) -> CompiledRuleset:
    """Prepare a mutant to decide requests.

    What it decides is what its text decides. Where the fault is within one statement only that is
    read again; positions that the result reports are then those of the ruleset, or of nothing.
    """
    if mutant.declaration is None:
        loaded = load_ruleset(mutant.text(ruleset.source)).ruleset
        if loaded is None:
            raise ValueError(f"mutant {mutant.id} is of another ruleset: it does not load")
        return loaded
    declaration = _read_again(ruleset, mutant.declaration, mutant.edits)
    tree = _with_declaration(ruleset.tree, mutant.declaration, declaration)
    return CompiledRuleset(ruleset.source, tree, resolve(tree))


# --- text and tree ----------------------------------------------------------------------------


def _spaced(text: str, edit: TextEdit) -> TextEdit:
    """Keep words apart that parentheses kept apart: `if(a)` becomes `if true`."""
    follows = edit.text or text[edit.end : edit.end + 1]
    if edit.start and _in_word(text[edit.start - 1]) and follows and _in_word(follows[0]):
        return TextEdit(edit.start, edit.end, f" {edit.text}")
    return edit


def _in_word(char: str) -> bool:
    return char == "_" or char.isalnum()


# Something for a statement to be in.
_AROUND = ("service cloud.firestore { match /x { ", "\n } }")


def _read_again(
    ruleset: CompiledRuleset, span: Span, edits: tuple[TextEdit, ...]
) -> Declaration | None:
    """Parse one statement or function with edits; None if they leave nothing of it.

    Raises:
        SyntaxProblem: It cannot be read.
    """
    # An edit may take the whole lines of what it leaves out.
    start = min(span.start, *(edit.start for edit in edits))
    end = max(span.end, *(edit.end for edit in edits))
    moved = [TextEdit(edit.start - start, edit.end - start, edit.text) for edit in edits]
    text = apply_edits(ruleset.source.text[start:end], moved)
    tree = parse_ruleset(SourceText(ruleset.source.file_name, text.join(_AROUND)))
    found = list(_declarations(tree))
    return found[0] if found else None


def _with_declaration(tree: nodes.Ruleset, span: Span, new: Declaration | None) -> nodes.Ruleset:
    """Return a tree with another statement in the place of the one at `span`."""

    def rebuilt(block: _Block) -> _Block:
        body: list[object] = []
        for item in block.body:
            if item.span == span and isinstance(item, Declaration):
                body += [] if new is None else [new]
            elif isinstance(item, _Block) and _covers(item.span, span):
                body.append(rebuilt(item))
            else:
                body.append(item)
        match block:
            case nodes.Ruleset():
                return nodes.Ruleset(block.version, tuple(body), block.span)  # type: ignore[arg-type]
            case nodes.ServiceBlock():
                return nodes.ServiceBlock(block.name, tuple(body), block.span)  # type: ignore[arg-type]
            case _:
                return nodes.MatchBlock(block.pattern, tuple(body), block.span)  # type: ignore[arg-type]

    result = rebuilt(tree)
    assert isinstance(result, nodes.Ruleset)
    return result


def _covers(outer: Span, inner: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _declarations(block: _Block) -> Iterator[Declaration]:
    for item in block.body:
        if isinstance(item, _Block):
            yield from _declarations(item)
        else:
            yield item


# --- what is the same -------------------------------------------------------------------------


def _meaning_of(
    ruleset: CompiledRuleset, span: Span | None, edits: tuple[TextEdit, ...]
) -> object | None:
    """Return something that is equal for mutants that say the same; None if it does not load."""
    if span is None:
        text = SourceText(ruleset.source.file_name, apply_edits(ruleset.source.text, edits))
        loaded = load_ruleset(text).ruleset
        return None if loaded is None or loaded.tree == ruleset.tree else loaded.tree
    try:
        declaration = _read_again(ruleset, span, edits)
    except SyntaxProblem:
        return None
    return (span, None) if declaration is None else _meaning(declaration, span)


def _meaning(declaration: Declaration, span: Span | None = None) -> object:
    """Reduce a statement to what it decides: its place, its methods as a set, its condition."""
    place = span or declaration.span
    if isinstance(declaration, nodes.FunctionDeclaration):
        lets = tuple((let.name, _plain(let.value)) for let in declaration.lets)
        return place, declaration.name, lets, _plain(declaration.body)
    condition = declaration.condition
    if condition is None:
        condition = nodes.BoolLiteral(True)
    if condition == nodes.BoolLiteral(False):
        return place, None
    return place, declaration.granted, _plain(condition)


def _plain(node: nodes.Expression) -> nodes.Expression:
    """Undo what changes nothing where only truth counts: `!!a` is `a`."""
    while (
        isinstance(node, nodes.Unary)
        and node.operator == "!"
        and isinstance(node.operand, nodes.Unary)
        and node.operand.operator == "!"
    ):
        node = node.operand.operand
    return node


# --- identity ---------------------------------------------------------------------------------


def _identity(text: str, placed: Placed, edits: tuple[TextEdit, ...]) -> str:
    """Describe a mutant by what stands around it, not by where that stands in the file."""
    start = text.rfind("\n", 0, edits[0].start) + 1
    end = text.find("\n", max(edit.end for edit in edits))
    end = len(text) if end < 0 else end
    before = text[start:end]
    after = apply_edits(
        before, [TextEdit(edit.start - start, edit.end - start, edit.text) for edit in edits]
    )
    parts = (placed.context, placed.proposal.operator, before, after)
    return "\0".join(" ".join(part.split()) for part in parts)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_LENGTH]
