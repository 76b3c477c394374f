"""How many rows the rules corpus has, by where each comes from, as its README says."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import yaml

CORPUS = Path(__file__).parents[1] / "corpus"
# Of the 367 cases of the specification eleven are about the emulator's endpoints; they are tests of
# tests/server and tests/emulators. The rest, and at least 300 more, are rows here.
LEAST = 367 - 11 + 300


def sources() -> list[str]:
    tables = [yaml.safe_load(path.read_text("utf-8")) for path in (CORPUS / "rules").glob("*.yaml")]
    rows = [row for table in tables for row in table.get("expressions", [])]
    rows += [row for table in tables for row in table.get("scenarios", [])]
    return [str(row["source"]) for row in rows]


def test_the_readme_counts_the_rows_by_their_sources() -> None:
    counted = Counter(re.split(r"[,:; ]", source)[0] for source in sources())
    readme = (CORPUS / "rules" / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| \*\*(\w)\*\* \| (\d+) \|", readme, re.MULTILINE)
    told = {tag: int(count) for tag, count in rows}
    # At least: the README need not be edited for every row that is added.
    assert told.keys() == counted.keys()
    assert all(counted[tag] >= count for tag, count in told.items())
    assert sum(told.values()) >= LEAST
