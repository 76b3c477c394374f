"""The examples of docs/access-matrix.md load and mean what the page says."""

import re
from pathlib import Path

from harness.access.decide import record_cells
from harness.config import parse_settings
from harness.source import SourceText
from tests.access.tables import files, firestore_rules, matrix_of

PAGE = (Path(__file__).parents[2] / "docs" / "access-matrix.md").read_text(encoding="utf-8")
RULES = firestore_rules(
    """
    match /users/{uid} { allow get: if request.auth.uid == uid || request.auth.token.support; }
    match /groups/{id} {
      allow list: if request.auth.uid in resource.data.memberIds && request.query.limit <= 50;
      allow update: if request.resource.data.name.size() > 0 && get(
        /databases/$(database)/documents/groups/$(id)/members/$(request.auth.uid)
      ).data.role == 'owner';
    }
    """
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_first_example() -> None:
    settings_text, table = blocks("yaml")
    settings = parse_settings(SourceText("harness.yaml", settings_text))
    matrix = matrix_of(table, personas=settings.personas)
    cells = record_cells(matrix, RULES)
    assert len(cells) == 20
    assert [cell for cell in cells if cell.is_surprise] == []


def test_the_csv_example() -> None:
    settings = parse_settings(SourceText("harness.yaml", blocks("yaml")[0]))
    (table,) = blocks("csv")
    personas = {name: settings.personas[name] for name in ("owner", "member", "anonymous")}
    matrix = matrix_of("rows: t.csv", personas=personas, read_text=files(t__csv=table))
    assert [(row.name, sorted(row.allowed)) for row in matrix.rows] == [
        ("get users/$uid", ["member", "owner"]),
        ("update groups/home", ["owner"]),
    ]
