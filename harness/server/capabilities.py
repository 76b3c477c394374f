"""What the embedded Firestore does and what it does not: `capabilities.yaml` -> a table.

The tests ask the server about every row, so that the table is what the server does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

from harness.errors import ConfigError
from harness.source import SourceText
from harness.yaml_settings import YamlReader

_FILE = "capabilities.yaml"
_TEXTS = ("feature", "support", "limits", "probe")
_COVERS = "covers"


class Support(StrEnum):
    """How far a feature is there."""

    SUPPORTED = "supported"
    PARTIAL = "partial"
    """As far as `limits` say."""
    REFUSED = "refused"
    """With the error that `limits` name; nothing is answered wrong."""


@dataclass(frozen=True, slots=True)
class Capability:
    """One feature.

    Attributes:
        area: What it belongs to, such as `queries`.
        limits: What is not there, or what a caller gets; empty where everything is there.
        probe: The test that asks the server about it.
        covers: Names in the code that it speaks for: constants of `firestore/limits.py`, REST and
            control routes.
    """

    area: str
    feature: str
    support: Support
    limits: str
    probe: str
    covers: tuple[str, ...] = ()


def load_capabilities() -> tuple[Capability, ...]:
    """Return the table, area by area."""
    text = files("harness.server").joinpath(_FILE).read_text(encoding="utf-8")
    return parse_capabilities(SourceText(_FILE, text))


def parse_capabilities(source: SourceText) -> tuple[Capability, ...]:
    """Read a table.

    Raises:
        ConfigError: It does not fit; with the position.
    """
    reader = YamlReader(source)
    root = reader.root()
    if root is None:
        raise ConfigError("an empty table", fix="list areas", at=source.position(0))
    found = []
    for area, rows in reader.mapping(root, _FILE).items():
        for position, node in enumerate(rows.value):
            where = f"{area}[{position}]"
            entries = reader.mapping(node, where, allowed=(*_TEXTS, _COVERS))
            covers = entries.pop(_COVERS, None)
            texts = {key: reader.string(entries[key], f"{where}.{key}") for key in entries}
            support = Support(texts["support"])
            if (support is Support.SUPPORTED) == ("limits" in texts):
                has = "has" if "limits" in texts else "lacks"
                raise reader.error(
                    node,
                    f'"{texts["feature"]}" is {support} and {has} limits',
                    "say limits where it is partial or refused, and only there",
                )
            found.append(
                Capability(
                    area,
                    texts["feature"],
                    support,
                    texts.get("limits", ""),
                    texts["probe"],
                    () if covers is None else reader.strings(covers, f"{where}.{_COVERS}"),
                )
            )
    return tuple(found)


def capabilities_text(table: tuple[Capability, ...]) -> str:
    """Return the table for people."""
    width = max(len(row.feature) for row in table)
    lines: list[str] = []
    for area in dict.fromkeys(row.area for row in table):
        lines += ["", area]
        for row in table:
            if row.area == area:
                limits = f"  {row.limits}" if row.limits else ""
                lines.append(f"  {row.feature:<{width}}  {row.support:<9}{limits}".rstrip())
    return "\n".join(lines[1:])


def capabilities_markdown(table: tuple[Capability, ...]) -> str:
    """Return the table for docs/capabilities.md."""
    lines: list[str] = []
    for area in dict.fromkeys(row.area for row in table):
        lines += [
            "",
            f"## {area.capitalize()}",
            "",
            "| feature | | limits |",
            "| --- | --- | --- |",
        ]
        lines += [
            f"| {row.feature} | {row.support} | {row.limits} |" for row in table if row.area == area
        ]
    return "\n".join(lines[1:]) + "\n"


def capabilities_json(table: tuple[Capability, ...]) -> str:
    """Return the table for programs: `[{area, feature, support, limits}, ...]`."""
    rows = [
        {"area": row.area, "feature": row.feature, "support": row.support, "limits": row.limits}
        for row in table
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)
