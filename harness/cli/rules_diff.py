"""`harness rules diff`: which requests a change of the rules allows or denies."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from harness.access.decide import record_cells
from harness.access.model import MatrixCell
from harness.access_table import read_access_matrix
from harness.cli import options, render
from harness.cli.git_revision import GitRevision
from harness.config import DEFAULT_DATABASE, FirebaseConfig, parse_firebase_json
from harness.errors import ConfigError
from harness.files import read_text_file, write_text_file
from harness.project import FIREBASE_JSON, Project, find_project_folder, load_project
from harness.project_rules import loaded
from harness.recordings import read_recordings
from harness.review.diff import RulesDiff, diff_rulesets, means_the_same
from harness.review.diff_report import FileDiff, diff_json, diff_markdown, diff_text
from harness.review.neighbours import MAX_NEIGHBOURS
from harness.review.questions import Question, QuestionKind, with_neighbours
from harness.review.seeds import seeds
from harness.review.vocabulary import vocabulary
from harness.rules.recorded import RecordedRequest
from harness.rules.request import FIRESTORE, STORAGE
from harness.rules.ruleset import CompiledRuleset
from harness.rules.values import RulesTimestamp
from harness.source import SourceText

EXIT_CHANGED = 1


@click.command("diff")
@click.argument("base")
@options.project
@click.option(
    "--rules",
    "rules_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The new rules. Default: every rules file that firebase.json names.",
)
@click.option(
    "--storage", is_flag=True, help="Only the rules of Storage; with --rules: it is such."
)
@click.option("--strict", is_flag=True, help="Newly denied requests fail too.")
@click.option(
    "--neighbours",
    "each",
    type=click.IntRange(0, 10_000),
    default=MAX_NEIGHBOURS,
    show_default=True,
    metavar="N",
    help="How many variations to ask of each request.",
)
@click.option("--generated/--no-generated", default=True, help="Ask requests made from the rules.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the result there, for programs.",
)
@click.option(
    "--markdown",
    "markdown_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the result there, for a comment; put behind what the file holds.",
)
def command(
    base: str,
    project_dir: Path | None,
    rules_file: Path | None,
    storage: bool,
    strict: bool,
    each: int,
    generated: bool,
    json_file: Path | None,
    markdown_file: Path | None,
) -> int:
    """Ask the rules of BASE and the rules as they are now the same requests; list each answer that
    changed.

    BASE is a git revision, or a rules file. The requests are those that checks made, those of the
    access matrix, some that are made from the rules themselves, and variations of all of these.

    Exit status: 0 nothing is newly allowed but what the access matrix declares; 1 something is; 2
    rules do not load, or BASE is not there.
    """
    project = load_project(find_project_folder(project_dir or Path.cwd()))
    pairs = _pairs(project, base, rules_file, storage=storage)
    asking = _Asking(project, each=each, generated=generated)
    files = [asking.file_diff(pair) for pair in pairs]
    render.text(diff_text(files))
    if json_file is not None:
        text = json.dumps(diff_json(files), indent=2, ensure_ascii=False)
        write_text_file(json_file, f"{text}\n")
    if markdown_file is not None:
        _append(markdown_file, diff_markdown(files))
    if any(file.diff.undeclared for file in files):
        render.note(
            "harness: rules allow what they did not allow, and the access matrix does not say so\n"
            "  fix: mend the rules, or add rows that allow it to the access matrix"
        )
        return EXIT_CHANGED
    return EXIT_CHANGED if strict and any(file.diff.newly_denied for file in files) else 0


@dataclass(frozen=True, slots=True)
class _Pair:
    """One rules file, now and then.

    Args:
        place: The database, or the bucket; None is any.
        old: None when there was none.
        new: None when there is none any more.
    """

    service: str
    place: str | None
    name: str
    base: str
    old: SourceText | None
    new: SourceText | None


def _pairs(project: Project, base: str, rules_file: Path | None, *, storage: bool) -> list[_Pair]:
    """Find what is to be compared."""
    base_file = Path(base)
    if base_file.is_file():
        return [_against_file(project, base_file, rules_file, storage=storage)]
    revision = GitRevision(project.folder, base)
    if rules_file is not None:
        new = _read(project, rules_file)
        path = Path(os.path.relpath(rules_file.resolve(), project.folder.resolve())).as_posix()
        service = STORAGE if storage else FIRESTORE
        return [_Pair(service, None, str(rules_file), base, revision.read(path), new)]
    return _named(project, revision, only_storage=storage)


def _against_file(project: Project, base: Path, rules_file: Path | None, *, storage: bool) -> _Pair:
    if rules_file is None:
        names = _rules_names(project.firebase)
        wanted = [name for service, _, name in names if (service == STORAGE) is storage]
        if len(wanted) != 1:
            raise ConfigError(
                f"firebase.json names {len(wanted)} rules files to compare {base} with",
                fix="name the one that you mean with --rules FILE",
            )
        rules_file = project.folder / wanted[0]
    service = STORAGE if storage else FIRESTORE
    old, new = _read(project, base), _read(project, rules_file)
    return _Pair(service, None, project.relative(rules_file), str(base), old, new)


def _named(project: Project, revision: GitRevision, *, only_storage: bool) -> list[_Pair]:
    """Pair the rules files that firebase.json names now with those that it named then."""
    then = revision.read(FIREBASE_JSON)
    named_then = {
        (service, place): name
        for service, place, name in _rules_names(
            parse_firebase_json(then) if then is not None else FirebaseConfig()
        )
    }
    pairs = []
    named_now = _rules_names(project.firebase)
    for service, place, name in named_now:
        # Without a firebase.json then, the file is looked for where it is now.
        old_name = named_then.pop((service, place), None if then is not None else name)
        old = revision.read(old_name) if old_name is not None else None
        new = _read(project, project.folder / name)
        pairs.append(_Pair(service, place, name, revision.name, old, new))
    for (service, place), name in named_then.items():
        pairs.append(_Pair(service, place, name, revision.name, revision.read(name), None))
    pairs = [pair for pair in pairs if pair.service == STORAGE or not only_storage]
    if not pairs:
        raise ConfigError(
            f"neither firebase.json nor that of {revision.name} names rules",
            fix="name the new rules with --rules FILE",
        )
    return pairs


def _rules_names(firebase: FirebaseConfig) -> list[tuple[str, str | None, str]]:
    """Return service, database or bucket, and name of each rules file."""
    names: list[tuple[str, str | None, str]] = [
        (FIRESTORE, database.database, database.rules)
        for database in firebase.firestore
        if database.rules
    ]
    buckets = firebase.storage
    names += [(STORAGE, bucket.bucket or bucket.target, bucket.rules) for bucket in buckets]
    return names


class _Asking:
    """What to ask; the parts that all rules files share are read once."""

    def __init__(self, project: Project, *, each: int, generated: bool) -> None:
        self._recordings = read_recordings(project.folder)
        self._matrix = read_access_matrix(project)
        self._each = each
        self._generated = generated
        self._now = RulesTimestamp(time.time_ns())

    def file_diff(self, pair: _Pair) -> FileDiff:
        """Compare one rules file."""
        old = _load(pair.old, is_base=True)
        new = _load(pair.new, is_base=False)
        if means_the_same(old, new):
            return FileDiff(pair.name, pair.base, RulesDiff(is_same_text=True))
        notes = []
        if old is None:
            notes.append(f"{pair.base} has no such rules: everything that is allowed is new")
        if new is None:
            notes.append("the rules are gone: everything is denied")
        cells = self._cells(pair, new or old)
        questions = self._questions(pair, old, new, cells)
        if not any(self._recordings) and not cells:
            notes.append(
                "no check has recorded requests and there is no access matrix: "
                "run harness verify first to ask what the app really asks"
            )
        counts: Counter[QuestionKind] = Counter()

        def asked() -> Iterator[RecordedRequest]:
            for question in questions:
                counts[question.kind] += 1
                yield question.recorded

        declared = [cell.recorded for cell in cells if cell.expected]
        found = diff_rulesets(old, new, asked(), declared)
        by_kind = {kind: counts[kind] for kind in QuestionKind}
        return FileDiff(pair.name, pair.base, found, by_kind, tuple(notes))

    def _cells(self, pair: _Pair, ruleset: CompiledRuleset | None) -> tuple[MatrixCell, ...]:
        if self._matrix is None or ruleset is None:
            return ()
        is_storage = pair.service == STORAGE
        cells = record_cells(
            self._matrix, None if is_storage else ruleset, ruleset if is_storage else None
        )
        return tuple(cell for cell in cells if _is_about(cell.recorded, pair))

    def _questions(
        self,
        pair: _Pair,
        old: CompiledRuleset | None,
        new: CompiledRuleset | None,
        cells: Sequence[MatrixCell],
    ) -> Iterator[Question]:
        there = [each for each in (new, old) if each is not None]
        asked = [
            Question(QuestionKind.RECORDED, recorded)
            for recorded in self._recordings
            if _is_about(recorded, pair)
        ]
        asked += [Question(QuestionKind.MATRIX, cell.recorded) for cell in cells]
        if self._generated:
            place = pair.place or DEFAULT_DATABASE
            asked += [
                Question(QuestionKind.GENERATED, seed)
                for ruleset in there
                for seed in seeds(ruleset, pair.service, self._now, place)
            ]
        return with_neighbours(asked, vocabulary(*there), self._each)


def _is_about(recorded: RecordedRequest, pair: _Pair) -> bool:
    """Say whether a request goes to the database or bucket that rules are for."""
    if recorded.service != pair.service:
        return False
    # The default bucket has a name that firebase.json does not say.
    return pair.service == STORAGE or pair.place in (None, recorded.decisions[0].request.path[1])


def _read(project: Project, path: Path) -> SourceText:
    """Read a rules file, named as a person in the project's folder would."""
    return SourceText(project.relative(path), read_text_file(path).text)


def _load(source: SourceText | None, *, is_base: bool) -> CompiledRuleset | None:
    if source is None:
        return None
    return loaded(source, fix="compare with another revision" if is_base else "correct the rules")


def _append(path: Path, text: str) -> None:
    """Put a text behind what a file holds: a job's summary is written by several steps."""
    before = read_text_file(path).text if path.is_file() else ""
    write_text_file(path, f"{before}{text}")
