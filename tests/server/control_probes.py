"""One small question for control routes that no other probe of the capability table asks."""

from __future__ import annotations

import re
from typing import Any

from tests.server.running import Project, running_server

RULES = (
    "service cloud.firestore { match /databases/{d}/documents { match /{p=**} { allow read; } } }"
)


def ask(project: Project, method: str, path: str, **options: Any) -> Any:
    response = project.server.http(method, path, **options)
    assert response.ok, (method, path, response.text)
    return response


def info(project: Project) -> None:
    assert ask(project, "GET", "/").text == "Ok\n"
    assert "rules" in ask(project, "GET", "/harness/v1/info").json()["features"]


def reset_and_shutdown(project: Project) -> None:
    with running_server() as own:
        other = Project(own, project.id, project.add_cleanup)
        other.client().document("c/a").set({})
        ask(other, "POST", "/reset")
        assert not other.client().document("c/a").get().exists
        ask(other, "POST", "/shutdown")
        own.running.stopped.set()


def indexes_by_route(project: Project) -> None:
    own = f"/harness/v1/projects/{project.id}/indexes"
    ask(project, "PUT", own, json={"indexes": []})
    assert ask(project, "GET", own).json()["indexes"] == []


def trigger_routes(project: Project) -> None:
    resource = f"projects/{project.id}/databases/(default)/documents/c/{{id}}"
    event = "providers/cloud.firestore/eventTypes/document.create"
    trigger = {"resource": resource, "eventType": event, "service": "firestore.googleapis.com"}
    path = f"{project.emulator}/triggers/us-central1-f-0"
    ask(project, "PUT", path, json={"eventTrigger": trigger})
    ask(project, "DELETE", path)
    second = f"{project.emulator}/eventarcTrigger?eventarcTriggerId=us-central1-g-0"
    event_trigger = {
        "eventType": "google.cloud.firestore.document.v1.created",
        "database": f"projects/{project.id}/databases/(default)",
        "document": {"value": "c/{id}", "matchType": "PATH_PATTERN"},
    }
    ask(project, "POST", second, json=event_trigger)
    ask(project, "DELETE", second)


def muting(project: Project) -> None:
    at = f"/harness/v1/projects/{project.id}/events"
    ask(project, "POST", f"{at}:mute")
    assert project.id in project.server.running.dispatcher.muted
    ask(project, "POST", f"{at}:unmute")
    assert project.id not in project.server.running.dispatcher.muted


def coverage_routes(project: Project) -> None:
    project.load_rules(RULES)
    project.as_user("ana").document("c/a").get()
    page = ask(project, "GET", f"{project.emulator}:ruleCoverage.html")
    assert "text/html" in page.headers["content-type"]
    assert ask(project, "GET", "/harness/v1/rules:coverage").json()


def fault_routes(project: Project) -> None:
    path = f"/harness/v1/projects/{project.id}/faults"
    fault = {"rpc": "Commit", "status": "ABORTED", "times": 1}
    made = ask(project, "POST", path, json=fault).json()
    assert len(ask(project, "GET", path).json()["faults"]) == 1
    ask(project, "DELETE", f"{path}/{made['id']}")
    assert ask(project, "GET", path).json()["faults"] == []
    ask(project, "DELETE", path)


def clock_routes(project: Project) -> None:
    path = f"/harness/v1/projects/{project.id}/clock"
    before = ask(project, "GET", path).json()
    ask(project, "POST", f"{path}:advance", json={"seconds": 5})
    assert ask(project, "GET", path).json() != before
    ask(project, "DELETE", path)


def snapshot_routes(project: Project) -> None:
    path = f"{project.own}/snapshots"
    ask(project, "POST", f"{path}/start")
    assert len(ask(project, "GET", path).json()["snapshots"]) == 1
    ask(project, "DELETE", f"{path}/start")
    assert ask(project, "GET", path).json()["snapshots"] == []


def seed_routes(project: Project) -> None:
    path = f"/harness/v1/projects/{project.id}/seed"
    text = "documents:\n  c/a: {n: 1}\n"
    ask(project, "POST", path, json={"name": "seed.yaml", "text": text})
    assert project.client().document("c/a").get().get("n") == 1
    assert "n: 1" in ask(project, "GET", path).text


def cost(project: Project) -> None:
    project.client().document("c/a").set({})
    assert ask(project, "GET", f"{project.own}/cost").json()


def query_routes(project: Project) -> None:
    list(project.client().collection("probed").order_by("n").stream())
    assert "probed order by n" in ask(project, "GET", "/harness/v1/queries").text
    ask(project, "POST", "/harness/v1/queries:forget")
    assert "probed order by n" not in ask(project, "GET", "/harness/v1/queries").text


def recordings(project: Project) -> None:
    project.load_rules(RULES)
    path = f"/harness/v1/projects/{project.id}/recording"
    ask(project, "POST", f"{path}:start")
    project.as_user("ana").document("c/a").get()
    taken = ask(project, "POST", f"{path}:take").text
    digest = re.search(r"[0-9a-f]{32,}", taken)
    assert digest is not None, taken
    kept = ask(project, "GET", f"/harness/v1/projects/{project.id}/rulesets/{digest[0]}")
    assert kept.json()["content"] == RULES
    ask(project, "POST", f"{path}:stop")


def redelivery(project: Project) -> None:
    ask(project, "POST", "/harness/v1/events:drain")
    ask(project, "POST", "/harness/v1/events:redeliver")
