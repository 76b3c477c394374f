"""`harness indexes list`: each query of the last run, the index it used, and what it read."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.backend.query_uses import QueryUse
from harness.cli import options, render
from harness.cli.indexes_seen import SeenDatabase, read_seen
from harness.firestore.index_definitions import IndexDefinitions

EXIT_REFUSED = 1


@click.command("list")
@options.project
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(project_dir: Path | None, as_json: bool) -> int:
    """List the queries of the last run: the index or the merge that served each, how many index
    entries it read, how many documents it found. What wastes most comes first.

    Exit status: 0 every query was served; 1 one lacked an index; 2 there is nothing to list.
    """
    seen = read_seen(project_dir)
    if as_json:
        found = {each.file.database: list(map(_as_json, _sorted(each))) for each in seen.databases}
        render.text(json.dumps(found, indent=2))
    else:
        render.text("\n\n".join(map(_text, seen.databases)))
    refused = any(use.refused for each in seen.databases for use in each.use.queries)
    return EXIT_REFUSED if refused else 0


def _sorted(database: SeenDatabase) -> list[QueryUse]:
    return sorted(
        database.use.queries,
        key=lambda use: (-bool(use.refused), -(use.waste or 0), -use.entries, use.shape),
    )


def _as_json(use: QueryUse) -> dict[str, object]:
    value = use.to_json()
    del value["needs"]
    return {**value, "isMerge": use.is_merge, "waste": use.waste}


def _text(database: SeenDatabase) -> str:
    uses = _sorted(database)
    count = "1 shape" if len(uses) == 1 else f"{len(uses)} shapes"
    lines = [f"{database.title}: {count} of queries in the last run"]
    for use in uses:
        lines += ["", *_lines(use, database.file.definitions)]
    if database.use.left_out:
        lines += ["", f"{database.use.left_out} more requests were of shapes that had no room"]
    return "\n".join(lines)


def _lines(use: QueryUse, definitions: IndexDefinitions) -> list[str]:
    lines = [use.shape]
    if use.refused:
        lacking = [need.index() for need in use.needs if need.serving(definitions) is None]
        needed = ", ".join(dict.fromkeys(index.properties for index in lacking))
        words = f"needs {needed}: harness indexes suggest" if lacking else "served by now"
        lines.append(f"    REFUSED {use.refused} of {use.requests}: {words}")
    lines += [f"    {_served(members)}" for members in use.plan]
    if use.refused < use.requests:
        lines.append(f"    {_figures(use)}")
    by = [f"function {name}" for name in use.functions] + use.at
    if by:
        lines.append(f"    at {', '.join(by)}")
    return lines


def _served(members: tuple[str, ...]) -> str:
    return f"merge of {' + '.join(members)}" if len(members) > 1 else members[0]


def _figures(use: QueryUse) -> str:
    parts = [
        f"{use.requests} requests" if use.requests != 1 else "1 request",
        f"{use.reads} reads",
        f"{use.entries} index entries",
        f"{use.matched} documents {'counted' if use.is_aggregation else 'found'}",
    ]
    waste = f" ({use.waste:.1f} entries each)" if use.waste is not None else ""
    return ", ".join(parts) + waste
