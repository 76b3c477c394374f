"""Seed files: put into databases at the start and by the control route, and written from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigError
from harness.seeds.reader import parse_seed
from harness.server.options import ServerOptions
from harness.source import SourceText
from tests.server.running import Project, new_project_id, running_server

SEED = """\
documents:
  users:
    ana: {name: Ana, friend: {$ref: users/bob}}
databases:
  second:
    events/1: {n: 1, of: {$ref: databases/(default)/documents/users/ana}}
"""


def sow(project: Project, text: str) -> Any:
    route = f"/harness/v1/projects/{project.id}/seed"
    return project.server.http("POST", route, json={"name": "checks/seed.yaml", "text": text})


def test_a_seed_fills_several_databases(project: Project) -> None:
    assert sow(project, SEED).json() == {"documents": 2}
    db = project.client()
    ana = db.document("users/ana").get()
    assert ana.get("name") == "Ana"
    assert ana.get("friend") == db.document("users/bob")
    route = f"/v1/projects/{project.id}/databases/second/documents/events/1"
    event = project.server.http("GET", route, headers={"authorization": "Bearer owner"}).json()
    name = f"projects/{project.id}/databases/(default)/documents/users/ana"
    assert event["fields"]["of"] == {"referenceValue": name}
    assert [each["rpc"] for each in project.requests()] == ["BatchGetDocuments"]


def test_a_seed_replaces_documents_of_its_paths_and_leaves_others(project: Project) -> None:
    db = project.client()
    db.document("users/ana").set({"age": 3})
    db.document("users/eve").set({})
    sow(project, SEED)
    assert set(db.document("users/ana").get().to_dict()) == {"name", "friend"}
    assert db.document("users/eve").get().exists


def test_a_mistake_in_a_seed_changes_nothing_and_has_its_place(project: Project) -> None:
    answer = sow(project, "documents: {users/ana: {}, users/bob: 1}")
    assert answer.status_code == 400
    said = answer.json()["error"]["message"]
    assert said.startswith("checks/seed.yaml:1:28: users/bob has no fields")
    assert not project.client().document("users/ana").get().exists


@pytest.mark.parametrize("body", [{}, {"text": 1}, {"name": 1, "text": ""}])
def test_a_request_without_a_text_is_refused(project: Project, body: dict[str, Any]) -> None:
    route = f"/harness/v1/projects/{project.id}/seed"
    assert project.server.http("POST", route, json=body).status_code == 400


def test_what_is_there_is_written_as_a_seed_that_fills_another_project(project: Project) -> None:
    sow(project, SEED)
    project.client().document("users/ana/pets/rex").set({"price": 1.0, "raw": b"\x00"})
    text = project.server.http("GET", f"/harness/v1/projects/{project.id}/seed").text
    assert text == (
        "documents:\n"
        "  users:\n"
        "    ana:\n"
        "      friend:\n"
        "        $ref: users/bob\n"
        "      name: Ana\n"
        "  users/ana/pets:\n"
        "    rex:\n"
        "      price: 1.0\n"
        "      raw:\n"
        "        $bytes: AA==\n"
        "databases:\n"
        "  second:\n"
        "    events:\n"
        "      '1':\n"
        "        n: 1\n"
        "        of:\n"
        "          $ref: databases/(default)/documents/users/ana\n"
    )
    other = Project(project.server, new_project_id(), project.add_cleanup)
    sow(other, text)
    again = project.server.http("GET", f"/harness/v1/projects/{other.id}/seed").text
    assert again == text
    assert parse_seed(SourceText("seed.yaml", text)).document_count == 3


def test_a_server_starts_with_a_seed_and_has_it_again_after_a_reset(tmp_path: Path) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text(SEED, encoding="utf-8")
    with running_server(ServerOptions(host="127.0.0.1", port=0, seed_file=file)) as server:
        route = "/v1/projects/demo-any/databases/second/documents/events/1"
        owner = {"authorization": "Bearer owner"}
        for _ in range(2):
            fields = server.http("GET", route, headers=owner).json()["fields"]
            assert fields["n"] == {"integerValue": "1"}
            assert server.http("DELETE", route, headers=owner).status_code == 200
            assert server.http("GET", route, headers=owner).status_code == 404
            assert server.http("POST", "/reset").status_code == 200


def test_a_server_does_not_start_with_a_seed_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text("documents: 1", encoding="utf-8")
    options = ServerOptions(host="127.0.0.1", port=0, seed_file=file)
    with pytest.raises(ConfigError, match="documents is not a mapping"), running_server(options):
        pass
