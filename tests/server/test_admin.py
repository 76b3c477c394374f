"""The control routes, over HTTP as firebase-tools and the unit-testing library call them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.rules.recorded_json import RequestReader
from tests.server.running import Project, ServerUnderTest

OPEN = (
    "service cloud.firestore { match /databases/{d}/documents { match /{p=**} { allow read; } } }"
)


def put_rules(project: Project, text: str, **more: Any) -> Any:
    body = {"rules": {"files": [{"content": text}]}, **more}
    # The unit-testing library sends no content type.
    return project.server.http("PUT", f"{project.emulator}:securityRules", data=json.dumps(body))


def test_the_root_says_ok(server: ServerUnderTest) -> None:
    answer = server.http("GET", "/")
    assert (answer.status_code, answer.text) == (200, "Ok\n")


def test_an_unknown_route_is_not_found(server: ServerUnderTest) -> None:
    for method, path in [("GET", "/nothing"), ("POST", "/"), ("GET", "/reset"), ("GET", "/v1/x")]:
        answer = server.http(method, path)
        assert (answer.status_code, answer.text) == (404, "Not Found\n"), (method, path)


def test_clearing_deletes_every_document_of_one_database(project: Project, db: Any) -> None:
    db.document("c/d").set({})
    other = project.client(database="other").document("c/d")
    other.set({})
    answer = project.server.http("DELETE", f"{project.emulator}/databases/(default)/documents")
    assert (answer.status_code, answer.text) == (200, "{\n}\n")
    assert not db.document("c/d").get().exists
    assert other.get().exists


def test_a_subtree_can_be_deleted(project: Project, db: Any) -> None:
    for path in ("a/1", "a/1/b/2", "a/2", "c/ž š"):
        db.document(path).set({})
    root = f"{project.emulator}/databases/(default)/documents"
    assert project.server.http("DELETE", f"{root}/a/1").status_code == 200
    assert project.server.http("DELETE", f"{root}/c/%C5%BE%20%C5%A1").status_code == 200
    left = [document.id for document in db.collection("a").stream()]
    assert left == ["2"]
    assert [c.id for c in db.collections()] == ["a"]


def test_valid_rules_are_taken_without_a_word(project: Project) -> None:
    answer = put_rules(project, OPEN)
    assert (answer.status_code, answer.json()) == (200, {})


def test_rules_that_do_not_compile_are_refused_and_the_former_stay(project: Project) -> None:
    put_rules(project, OPEN)
    answer = put_rules(project, "service cloud.firestore {\n  match /x { allow read: if ; } }")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"].startswith("Error compiling rules:\nL2:")
    assert not project.as_user("ana").document("c/d").get().exists


def test_rules_with_errors_ignored_answer_their_issues(project: Project) -> None:
    answer = put_rules(project, "service cloud.firestore { match }", ignore_errors=True)
    assert answer.status_code == 200
    issue = answer.json()["issues"][0]
    assert issue["severity"] == "ERROR"
    assert issue["sourcePosition"]["line"] == 1
    assert issue["sourcePosition"]["fileName"] == "firestore.rules"
    assert issue["description"]


@pytest.mark.parametrize("body", ["", "[]", '{"rules": {}}', '{"rules": {"files": [{}]}}', "{"])
def test_a_body_without_rules_is_refused(project: Project, body: str) -> None:
    answer = project.server.http("PUT", f"{project.emulator}:securityRules", data=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Payload isn't valid for request."


def test_rules_belong_to_one_project(project: Project, server: ServerUnderTest) -> None:
    put_rules(project, "service cloud.firestore { }")
    url = "/v1/projects/demo-other/databases/(default)/documents/c"
    assert server.http("GET", url).status_code == 200
    assert server.http("GET", f"{project.root}/c").status_code == 403


def test_triggers_are_registered_and_removed(project: Project) -> None:
    def keys() -> list[str]:
        known = project.server.http("GET", "/harness/v1/info").json()["triggers"]
        return [trigger["key"] for trigger in known if trigger["project"] == project.id]

    v1 = {
        "eventTrigger": {
            "resource": f"projects/{project.id}/databases/(default)/documents/users/{{uid}}",
            "eventType": "providers/cloud.firestore/eventTypes/document.create",
        }
    }
    v2 = {
        "eventType": "google.cloud.firestore.document.v1.written",
        "database": "(default)",
        "document": {"value": "users/{uid}", "matchType": "PATH_PATTERN"},
    }
    # firebase-tools sends a JSON text inside a JSON string.
    answer = project.server.http("PUT", f"{project.emulator}/triggers/k1", json=json.dumps(v1))
    assert answer.status_code == 200
    route = f"{project.emulator}/eventarcTrigger?eventarcTriggerId=k2"
    assert project.server.http("POST", route, json=v2).status_code == 200
    assert keys() == ["k1", "k2"]
    project.server.http("DELETE", f"{project.emulator}/triggers/k1")
    project.server.http("DELETE", route)
    assert keys() == []


def test_a_trigger_that_is_none_is_refused(project: Project) -> None:
    answer = project.server.http("PUT", f"{project.emulator}/triggers/k1", json={})
    assert answer.status_code == 400
    assert "eventTrigger" in answer.json()["error"]["message"]


def test_a_malformed_token_is_refused_on_control_routes_too(server: ServerUnderTest) -> None:
    answer = server.http("GET", "/", headers={"Authorization": "Bearer nonsense"})
    assert answer.status_code == 400
    assert answer.text == (
        '{"error":{"code":400,"message":"invalid jwt","status":"INVALID_ARGUMENT"}}'
    )


def test_cross_origin_answers_carry_the_origin(server: ServerUnderTest) -> None:
    answer = server.http("GET", "/", headers={"Origin": "http://app.example"})
    assert answer.headers["access-control-allow-origin"] == "http://app.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    preflight = server.http(
        "OPTIONS",
        "/anything",
        headers={
            "Origin": "http://app.example",
            "Access-Control-Request-Headers": "authorization,x-a",
            "Access-Control-Request-Private-Network": "true",
        },
    )
    assert (preflight.status_code, preflight.content) == (200, b"")
    assert preflight.headers["access-control-allow-headers"] == "authorization,x-a"
    assert preflight.headers["access-control-allow-private-network"] == "true"
    assert "access-control-allow-origin" not in server.http("GET", "/").headers


def test_a_body_that_is_too_large_is_refused(server: ServerUnderTest) -> None:
    answer = server.http("POST", "/reset", data=b"x" * (16 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.content) == (413, b"")


def test_the_info_names_what_is_there(server: ServerUnderTest) -> None:
    info = server.http("GET", "/harness/v1/info").json()
    assert "index-enforcement" in info["features"]
    assert info["pid"] > 0


def test_index_definitions_can_be_replaced_for_one_project(project: Project, db: Any) -> None:
    definitions = {
        "indexes": [
            {
                "collectionGroup": "items",
                "queryScope": "COLLECTION",
                "fields": [
                    {"fieldPath": "a", "order": "ASCENDING"},
                    {"fieldPath": "b", "order": "ASCENDING"},
                ],
            }
        ],
        "fieldOverrides": [],
    }
    route = f"/harness/v1/projects/{project.id}/indexes"
    assert project.server.http("PUT", route, json=definitions).status_code == 200
    db.document("c/d").get()
    assert project.server.http("GET", route).json()["indexes"] == definitions["indexes"]
    bad = project.server.http("PUT", route, json={"indexes": [{}]})
    assert bad.status_code == 400


def test_requests_are_recorded_when_asked_for_and_taken_once(project: Project, db: Any) -> None:
    own = f"/harness/v1/projects/{project.id}"

    def recording(verb: str) -> Any:
        return project.server.http("POST", f"{own}/recording:{verb}")

    put_rules(project, OPEN)
    project.as_user("ana").document("c/d").get()
    assert recording("take").text == ""
    assert recording("start").status_code == 200
    db.document("c/d").set({"n": 1})
    project.as_user("ana").document("c/d").get()
    (read,) = RequestReader().read(recording("take").text.splitlines())
    assert (read.recorded.title, read.recorded.allowed) == ("get c/d as ana", True)
    assert list(read.recorded.documents.before.values()) == [{"n": 1}]
    answer = project.server.http("GET", f"{own}/rulesets/{read.rules}")
    assert answer.json() == {"name": "firestore.rules", "content": OPEN}
    assert list(RequestReader().read(recording("take").text.splitlines())) == []
    recording("stop")
    project.as_user("ana").document("c/d").get()
    assert recording("take").text == ""
    assert project.server.http("GET", f"{own}/rulesets/{read.rules}").status_code == 404
