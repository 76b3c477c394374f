"""Production and Google's emulator, where they differ: tests/corpus/profiles, and what REST cannot
show.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.api_core import exceptions
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.query_profile import ExplainOptions, QueryExplainError
from google.cloud.firestore_v1.vector import Vector

from harness.firestore.profile import EMULATOR, PRODUCTION, PROFILES
from harness.server.options import ServerOptions
from tests.server.running import Project, ServerUnderTest, new_project_id, running_server
from tests.server.test_listen import Stream

CORPUS = Path(__file__).parents[1] / "corpus/profiles/rest.yaml"
CASES = yaml.safe_load(CORPUS.read_text(encoding="utf-8"))["cases"]
DOCUMENTS = {
    "a": {"n": 1, "m": 1, "v": Vector([1.0, 0.0])},
    "b": {"n": 2, "m": 1, "v": Vector([0.0, 0.0])},
    "d": {"n": 3, "m": 2, "v": Vector([0.0, 2.0])},
}
ELSEWHERE = {
    "name": "what a profile is called",
    "resumes": "test_a_listener_that_resumes",
    "tells_changes_in_events": "test_triggers.py",
    "retries_events": "test_triggers.py",
}
"""Fields that no REST request shows, and where they are tested."""


@pytest.fixture(scope="module", params=list(PROFILES))
def profiled(request: pytest.FixtureRequest) -> Iterator[ServerUnderTest]:
    options = ServerOptions(host="127.0.0.1", port=0, profile=PROFILES[request.param])
    with running_server(options) as running:
        yield running


@pytest.fixture
def asked(profiled: ServerUnderTest) -> Iterator[Project]:
    """A project with `DOCUMENTS` in its collection `c`."""
    with ExitStack() as cleanups:
        project = Project(profiled, new_project_id(), cleanups.callback)
        for name, content in DOCUMENTS.items():
            project.client().document(f"c/{name}").set(content)
        yield project


def profile_of(project: Project) -> str:
    name: str = project.server.http("GET", "/harness/v1/info").json()["profile"]
    return name


def parts_of(answer: Any) -> list[dict[str, Any]]:
    return answer if isinstance(answer, list) else [answer]


def ids(parts: list[dict[str, Any]]) -> list[str]:
    names = [
        part["missing"] if "missing" in part else (part.get("document") or part["found"])["name"]
        for part in parts
        if {"missing", "found", "document"} & part.keys()
    ]
    return [name.rpartition("/")[2] for name in names]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["field"])
def test_a_request_is_answered_as_the_profile_says(asked: Project, case: dict[str, Any]) -> None:
    documents = asked.root.removeprefix("/v1/")
    text = json.dumps(case).replace("DOCUMENTS", documents).replace("LONG", "i" * 1_000)
    filled: dict[str, Any] = json.loads(text.replace("LARGE", "x" * 10_485_760))
    if "indexes" in filled:
        path = f"/harness/v1/projects/{asked.id}/indexes"
        assert asked.server.http("PUT", path, json={"indexes": filled["indexes"]}).ok
    if "get" in filled:
        response = asked.server.http("GET", f"{asked.root}/{filled['get']}")
    else:
        response = asked.server.http("POST", f"{asked.root}:{filled['post']}", json=filled["body"])
    expected = filled[profile_of(asked)]
    parts = parts_of(response.json())
    error = parts[0].get("error", {})
    assert error.get("status", "OK") == expected.get("status", "OK"), response.text
    assert expected.get("message", "") in error.get("message", "")
    if "ids" in expected:
        assert ids(parts) == expected["ids"]
    keys = {key for part in parts for key in (*part, *part.get("result", ()))}
    assert expected.get("has") in {None, *keys}
    assert expected.get("has_not") not in keys


def test_every_field_has_a_case_that_tells_the_profiles_apart() -> None:
    fields = {field.name for field in dataclasses.fields(PRODUCTION)}
    assert {case["field"] for case in CASES} == fields - ELSEWHERE.keys()
    assert all(case["source"] for case in CASES)
    assert all(case["production"] != case["emulator"] for case in CASES)
    assert all(getattr(PRODUCTION, name) != getattr(EMULATOR, name) for name in fields)


def test_the_published_client_meets_them_too(asked: Project) -> None:
    collection = asked.client().collection("c")
    group = asked.client().collection_group("c")
    query = collection.where(filter=FieldFilter("m", "==", 1)).order_by("n")
    explain = ExplainOptions(analyze=True)
    if profile_of(asked) == PRODUCTION.name:
        with pytest.raises(exceptions.FailedPrecondition, match="requires an index"):
            list(query.stream())
        metrics = collection.get(explain_options=explain).get_explain_metrics()
        assert metrics.execution_stats.results_returned == len(DOCUMENTS)
        assert list(group.get_partitions(2))
    else:
        assert [each.id for each in query.stream()] == ["a", "b"]
        with pytest.raises(QueryExplainError):
            collection.get(explain_options=explain)
        with pytest.raises(exceptions.MethodNotImplemented):
            list(group.get_partitions(2))


def test_a_list_without_a_page_size_is_not_the_whole_collection(asked: Project) -> None:
    client = asked.client()
    batch = client.batch()
    for number in range(301):
        batch.set(client.document(f"many/{number}"), {})
    batch.commit()

    def page(size: str = "") -> tuple[int, bool]:
        answer = asked.server.http("GET", f"{asked.root}/many{size}").json()
        return len(answer["documents"]), "nextPageToken" in answer

    bounded = profile_of(asked) == PRODUCTION.name
    assert page() == ((20, True) if bounded else (301, False))
    assert page("?pageSize=1000") == ((300, True) if bounded else (301, False))
    assert page("?pageSize=30") == (30, True)
    # Clients that turn the pages find all of them.
    assert len(list(client.collection("many").list_documents())) == 301


def test_a_listener_that_resumes(asked: Project) -> None:
    with grpc.insecure_channel(asked.server.host) as opened:
        token, _ = heard_by_listener(asked, opened)
        asked.client().document("c/a").update({"n": 10})
        _, changed = heard_by_listener(asked, opened, resume_token=token)
    assert changed == (["a"] if profile_of(asked) == PRODUCTION.name else list(DOCUMENTS))


def heard_by_listener(
    project: Project, channel: grpc.Channel, **target: Any
) -> tuple[bytes, list[str]]:
    """Listen to `c` until it is consistent; return the token and the ids of what was sent."""
    stream = Stream(project, channel)
    stream.listen_to_query(2, "c", **target)
    changed = []
    for message in stream.call:
        if message.HasField("document_change"):
            changed.append(message.document_change.document.name.rpartition("/")[2])
        elif message.HasField("target_change") and not message.target_change.target_ids:
            stream.end()
            token: bytes = message.target_change.resume_token
            return token, changed
    raise AssertionError("the stream ended before it was consistent")
