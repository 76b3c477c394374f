"""The capability table is what the server does."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from google.cloud.firestore_v1.services.firestore import FirestoreClient

from harness.cli.main import run
from harness.errors import ConfigError
from harness.firestore import limits
from harness.server.admin import AdminApi
from harness.server.capabilities import (
    Capability,
    capabilities_markdown,
    capabilities_text,
    load_capabilities,
    parse_capabilities,
)
from harness.server.rest import _PARENT_VERBS, _ROOT_VERBS
from harness.source import SourceText
from tests.server import capability_probes, control_probes, limit_probes
from tests.server.running import Project, ServerUnderTest

TABLE = load_capabilities()
DOCS = Path(__file__).parents[2] / "docs"


PROBES = {
    name: function
    for module in (capability_probes, limit_probes, control_probes)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__
    and list(inspect.signature(function).parameters) in (["project"], ["project", "folder"])
    and inspect.signature(function).return_annotation == "None"
}
NO_LIMITS = {name for name in vars(limits) if name.endswith("_OVERHEAD_BYTES")}
"""What sizes are made of: no request can exceed them."""


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.area}: {row.feature}")
def test_a_row_is_true(
    row: Capability, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def recording_request(method: str, url: str, **options: Any) -> Any:
        asked.append(f"{method} {urlsplit(url).path}")
        return requests_request(method, url, **options)

    requests_request = requests.request
    monkeypatch.setattr(requests, "request", recording_request)
    probe = PROBES[row.probe]
    if "folder" in inspect.signature(probe).parameters:
        probe(project, tmp_path)
    else:
        probe(project)
    for route in (name for name in row.covers if " " in name):
        assert any(template(route).fullmatch(each) for each in asked), f"{route} was not asked"


def template(route: str) -> re.Pattern[str]:
    """`GET /projects/{project}[/x]` as a pattern; `POST :verb` is one of the documents' verbs."""
    text = re.escape(route.replace(" :", " /v1/{documents}:"))
    text = re.sub(r"\\\{\w+\\\}", ".+", text)
    return re.compile(text.replace(r"\[", "(?:").replace(r"\]", ")?"))


def test_every_limit_has_a_row() -> None:
    covered = {name for row in TABLE for name in row.covers if " " not in name}
    assert covered == {name for name in vars(limits) if name.isupper()} - NO_LIMITS


def test_every_route_has_a_row(server: ServerUnderTest) -> None:
    running = server.running
    api = AdminApi(running.shell, running.dispatcher, lambda: None)
    control = {f"{method} {readable(pattern.pattern)}" for method, pattern, _ in api._routes}
    verbs = {f"POST :{verb}" for verb in (*_ROOT_VERBS, *_PARENT_VERBS)}
    assert {name for row in TABLE for name in row.covers if " " in name} == control | verbs


def readable(pattern: str) -> str:
    """A route's pattern as the table writes it."""
    named = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", pattern)
    return re.sub(r"\(\?:([^)]*)\)\?", r"[\1]", named).replace("\\", "")


def test_every_method_of_the_api_has_a_row() -> None:
    methods = {
        "".join(word.capitalize() for word in name.split("_"))
        for name, member in inspect.getmembers(FirestoreClient, inspect.isfunction)
        if not name.startswith("_") and "request" in inspect.signature(member).parameters
    }
    features = {row.feature for row in TABLE if row.area == "methods"}
    # Operations belong to the admin service.
    assert {name for name in methods if not name.endswith(("Operation", "Operations"))} <= features
    assert len(methods) > 15


def test_every_probe_has_a_row() -> None:
    assert PROBES.keys() == {row.probe for row in TABLE}


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["firestore", "--capabilities"]) == 0
    assert capsys.readouterr().out.strip() == capabilities_text(TABLE)
    assert run(["firestore", "--capabilities", "--format", "json"]) == 0
    listed = [row["feature"] for row in json.loads(capsys.readouterr().out)]
    assert listed == [row.feature for row in TABLE]
    assert run(["firestore", "--capabilities", "--format", "markdown"]) == 0
    assert capsys.readouterr().out == capabilities_markdown(TABLE)


def test_the_page_of_the_docs_is_the_table() -> None:
    assert capabilities_markdown(TABLE) in (DOCS / "capabilities.md").read_text(encoding="utf-8")


def test_the_limits_that_rows_name_are_those_that_hold() -> None:
    text = capabilities_text(TABLE)
    for number in (
        limits.MAX_TRANSFORMS_PER_DOCUMENT,
        limits.MAX_DISJUNCTIONS,
        limits.MAX_VECTOR_DIMENSIONS,
        limits.TRANSACTION_IDLE_S,
        limits.MAX_SUPERSEDED_VERSIONS,
    ):
        assert f"{number:,}" in text


def test_a_row_without_its_limits_is_refused() -> None:
    text = "writes:\n  - {feature: a, support: partial, probe: b}\n"
    with pytest.raises(ConfigError, match='"a" is partial and lacks limits'):
        parse_capabilities(SourceText("t.yaml", text))
