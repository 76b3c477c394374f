"""`harness indexes suggest`: the fewest indexes that serve every query, as a patch."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import unified_diff
from pathlib import Path

import click

from harness.backend.app_queries import AppQuery, app_queries
from harness.cli import options, render
from harness.cli.indexes_seen import SeenDatabase, SeenProject, read_contract_of, read_seen
from harness.config import DEFAULT_DATABASE
from harness.errors import ConfigError, HarnessError
from harness.files import write_text_file
from harness.firestore.index_definitions import IndexDefinitions, parse_index_file
from harness.firestore.index_file import with_suggestion
from harness.firestore.index_needs import IndexNeed
from harness.firestore.index_suggestions import IndexSuggestion, suggest_indexes
from harness.source import SourceText
from harness.tolerant_json import parse_json

EXIT_LACKING = 1
_PRODUCTION_LIMIT = 200
"""Composite indexes of a project without billing. Source: Firestore, "Quotas and limits"."""


@click.command("suggest")
@options.project
@click.option("--write", is_flag=True, help="Change the index file instead of printing a patch.")
@click.option(
    "--app/--no-app",
    "with_app",
    default=True,
    show_default=True,
    help="Look at the queries in the Flutter app's code too.",
)
def command(project_dir: Path | None, write: bool, with_app: bool) -> int:
    """Print, as a patch of firestore.indexes.json, the fewest indexes that serve every query of the
    last run, refused ones too, and every query in the app's code. Merges are taken into account.
    Nothing is removed: see harness indexes unused.

    Exit status: 0 nothing is lacking, or it was written; 1 something is; 2 there is nothing to look
    at.
    """
    from_app = _app_queries(project_dir) if with_app else []
    seen = read_seen(project_dir, needs_run=not from_app)
    is_lacking = False
    for database in seen.databases:
        needs = [*database.needs]
        if database.file.database == DEFAULT_DATABASE:
            needs += [need for each in from_app for need in each.needs]
        is_lacking |= _suggest(seen, database, needs, write=write)
    for each in from_app:
        if each.problem is not None:
            render.note(f"{each.query.position}: {each.query}: left out, {each.problem}")
    if not is_lacking:
        render.text("every query is served")
    return EXIT_LACKING if is_lacking and not write else 0


def _suggest(
    seen: SeenProject, database: SeenDatabase, needs: Iterable[IndexNeed], *, write: bool
) -> bool:
    """Print or write what a database lacks; return whether that is anything."""
    file = database.file
    suggestion = suggest_indexes(needs, file.definitions)
    if suggestion.is_empty:
        return False
    if file.name is None:
        raise ConfigError(
            f"firebase.json names no index file for the database {file.database}",
            fix='add "indexes": "firestore.indexes.json" beside "rules", and make the file {}',
        )
    after = with_suggestion(file.source, suggestion, file.definitions)
    _prove(file.source.file_name, after, suggestion.added_to(file.definitions))
    if write:
        write_text_file(seen.project.folder / file.name, after)
        render.text(f"{file.name}: {_summary(suggestion)} added")
    else:
        render.text(_patch(file.name, file.source.text, after))
    if not suggestion.is_smallest:
        render.note("each of these is needed; whether fewer would do was not searched to the end")
    total = len(file.definitions.composites) + len(suggestion.composites)
    if total > _PRODUCTION_LIMIT:
        render.note(f"{total} composite indexes: a project without billing has room for 200")
    return True


def _app_queries(project_dir: Path | None) -> list[AppQuery]:
    """Return the queries of the Flutter app; none where there is no app."""
    contract = read_contract_of(project_dir)
    return [] if contract is None else list(app_queries(contract))


def _prove(name: str, text: str, expected: IndexDefinitions) -> None:
    """Make sure that the patched text means what it should, before anyone uses it."""
    found = parse_index_file(parse_json(SourceText(name, text)).value(), name)
    if set(found.composites) != set(expected.composites) or any(
        found.single_field_indexes(each.collection_group, each.field) != each.indexes
        for each in expected.overrides
    ):
        raise HarnessError(
            f"{name} cannot be changed without changing what is in it",
            fix="look for entries that are there twice, and remove one of each",
        )


def _patch(name: str, before: str, after: str) -> str:
    lines = unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"a/{name}",
        f"b/{name}",
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _summary(suggestion: IndexSuggestion) -> str:
    counts = {
        "composite index": len(suggestion.composites),
        "field configuration": len(suggestion.overrides),
    }
    plural = {"composite index": "composite indexes"}
    return " and ".join(
        f"{count} {words if count == 1 else plural.get(words, f'{words}s')}"
        for words, count in counts.items()
        if count
    )
