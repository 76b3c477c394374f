"""`harness indexes unused`: which indexes nothing used, and what they cost each write."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click

from harness.backend.app_queries import app_queries
from harness.cli import options, render
from harness.cli.indexes_seen import SeenDatabase, read_contract_of, read_seen
from harness.config import DEFAULT_DATABASE
from harness.errors import ConfigError
from harness.firestore.index_definitions import duplicates
from harness.firestore.index_suggestions import suggest_indexes
from harness.firestore.index_usage import (
    UnqueriedField,
    UnusedIndex,
    WriteCost,
    unqueried_fields,
    unused_indexes,
)
from harness.flutter.contract import ClientContract


@click.command("unused")
@options.project
@click.option(
    "--fields",
    "shown_fields",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="How many fields to show, the dearest first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(project_dir: Path | None, shown_fields: int, as_json: bool) -> int:
    """List the composite indexes that no query of the last run or of the app's code would use, and
    the fields whose automatic indexes none would; with the index entries and bytes that each
    document written pays for them.

    What neither asks is not seen: look before you remove.

    Exit status: 0; 2 there is nothing to look at.
    """
    seen = read_seen(project_dir)
    contract = _contract(project_dir)
    from_app = [] if contract is None else list(app_queries(contract))
    needs = tuple(need for each in from_app for need in each.needs)
    databases = [
        replace(each, needs_of_app=needs) if each.file.database == DEFAULT_DATABASE else each
        for each in seen.databases
    ]
    if as_json:
        found = {each.file.database: _as_json(each) for each in databases}
        render.text(json.dumps(found, indent=2))
    else:
        render.text("\n\n".join(_text(each, shown_fields) for each in databases))
    in_doubt = [str(each.query.position) for each in from_app if each.problem is not None]
    if contract is not None:
        unknown = (use for use in contract.not_understood if use.may_be_query)
        in_doubt += [str(use.position) for use in unknown]
    if in_doubt:
        uses = f"{len(in_doubt)} uses" if len(in_doubt) > 1 else "1 use"
        render.note(f"{uses} in the app's code may need more, the first at {in_doubt[0]}")
    return 0


def _contract(project_dir: Path | None) -> ClientContract | None:
    try:
        return read_contract_of(project_dir)
    except ConfigError as error:
        render.note(f"the app's code is left out: {error.problem}")
        return None


def _unused(database: SeenDatabase) -> list[UnusedIndex]:
    lacking = suggest_indexes(database.needs, database.file.definitions)
    return unused_indexes(
        database.file.definitions, database.needs, database.use.written, to_be_added=lacking
    )


def _fields(database: SeenDatabase) -> list[UnqueriedField]:
    return unqueried_fields(database.file.definitions, database.needs, database.use.written)


def _as_json(database: SeenDatabase) -> dict[str, object]:
    return {
        "indexes": [
            {
                "collectionGroup": each.index.collection_group,
                "queryScope": each.index.query_scope.value,
                "properties": each.index.properties,
                "write": _cost_json(each.cost),
            }
            for each in _unused(database)
        ],
        "fields": [
            {
                "collectionGroup": each.collection_group,
                "fieldPath": str(each.field),
                "write": _cost_json(each.cost),
            }
            for each in _fields(database)
        ],
        "definedTwice": [
            f"{index.collection_group} {index.properties}"
            for index in duplicates(database.file.definitions)
        ],
    }


def _cost_json(cost: WriteCost | None) -> dict[str, float] | None:
    if cost is None:
        return None
    return {
        "entries": round(cost.entries, 2),
        "bytes": round(cost.size_bytes, 1),
        "writesSeen": cost.writes,
    }


def _text(database: SeenDatabase, shown_fields: int) -> str:
    unused, fields = _unused(database), _fields(database)
    total = len(set(database.file.definitions.composites))
    lines = [f"{database.title}: {len(unused)} of {total} composite indexes unused"]
    for each in unused:
        scope = " (collection group)" if each.index.query_scope.value != "COLLECTION" else ""
        lines.append(f"  {each.index.collection_group}{scope} {each.index.properties}")
        lines.append(f"    {_cost_text(each.cost)}")
    for index in duplicates(database.file.definitions):
        lines.append(f"  defined twice: {index.collection_group} {index.properties}")
    if fields and shown_fields:
        lines += ["", "fields that no query asked for, though each write indexes them:"]
        lines += [
            f"  {each.collection_group}.{each.field}: {_cost_text(each.cost)}"
            for each in fields[:shown_fields]
        ]
        if len(fields) > shown_fields:
            lines.append(f"  and {len(fields) - shown_fields} more (--fields {len(fields)})")
        lines.append('exempt one with {"collectionGroup": …, "fieldPath": …, "indexes": []}')
    return "\n".join(lines)


def _cost_text(cost: WriteCost | None) -> str:
    if cost is None:
        return "no document was written that it has entries of"
    writes = "1 write" if cost.writes == 1 else f"{cost.writes} writes"
    return f"{cost.entries:.3g} entries, {cost.size_bytes:.0f} bytes a document; {writes} seen"
