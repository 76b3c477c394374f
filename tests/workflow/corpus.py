"""Loads tests/corpus/workflow; refuses tables that are empty or say what nobody reads."""

from pathlib import Path
from typing import Any

import yaml

from harness.source import SourceText
from harness.workflow.document import WorkflowDocument, parse_workflow

FOLDER = Path(__file__).parent.parent / "corpus" / "workflow"
TEMPLATE = Path(__file__).parent.parent.parent / "harness" / "workflow" / "template.md"

_ITEM_KEYS = {"id", "line", "ticked", "text", "headings", "depth", "parent", "placeholder"}


def parse(text: str, file_name: str = "workflow.md") -> WorkflowDocument:
    return parse_workflow(SourceText(file_name, text))


def template() -> WorkflowDocument:
    return parse(TEMPLATE.read_bytes().decode(), "template.md")


def documents() -> list[str]:
    names = sorted(
        path.name.removesuffix(".md") for path in FOLDER.glob("*.md") if path.name != "README.md"
    )
    expected = sorted(p.name.removesuffix(".expected.yaml") for p in FOLDER.glob("*.expected.yaml"))
    assert names == expected, "each .md has its .expected.yaml"
    assert names
    return names


def load(name: str) -> tuple[WorkflowDocument, dict[str, Any]]:
    document = parse((FOLDER / f"{name}.md").read_bytes().decode(), f"{name}.md")
    expected = yaml.safe_load((FOLDER / f"{name}.expected.yaml").read_text(encoding="utf-8"))
    assert {"source", "items"} <= set(expected) <= {"source", "items", "sections", "addresses"}
    assert expected["items"]
    for item in expected["items"]:
        assert {"id", "line", "ticked", "text"} <= set(item) <= _ITEM_KEYS, item
    return document, expected


def exact_cases() -> list[dict[str, Any]]:
    table = yaml.safe_load((FOLDER / "exact.yaml").read_text(encoding="utf-8"))
    assert set(table) == {"source", "cases"}
    cases: list[dict[str, Any]] = table["cases"]
    names = [case["name"] for case in cases]
    assert len(set(names)) == len(names) > 0
    for case in cases:
        assert {"name", "text", "boxes"} <= set(case) <= {"name", "text", "boxes", "lines"}, case
    return cases
