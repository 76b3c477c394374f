"""The rules corpus for Cloud Storage, through the official Storage emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from harness.emulators.firestore_client import firestore_client
from harness.emulators.node import find_node_tools
from harness.emulators.storage import StorageDenied, StorageEmulator, StorageObjectMissing
from harness.emulators.suite import EmulatorSuite, SuiteOptions
from harness.emulators.tokens import ADMIN_TOKEN
from harness.errors import EnvironmentLacking
from harness.rules.request import STORAGE, Method, RulesRequest
from tests.rules.corpus import Case, load_cases
from tests.server.running import unsigned_token

pytestmark = [pytest.mark.suite, pytest.mark.xdist_group("storage_corpus")]

ROOT = Path(__file__).parents[2]
PROJECT_ID = "demo-storage-corpus"
TIMEOUT_S = 20.0
CLOSED = "service {name} {{ match {root} {{ match /{{d=**}} {{ allow read: if false; }} }} }}"
LEAST_ROWS = 20


def can_travel(case: Case) -> bool:
    """Whether a client can ask it: an overwrite is a create, and Storage sets other metadata."""
    if case.request.service != STORAGE or case.request.path[:1] != ("b",):
        return False
    if case.request.method is Method.UPDATE:
        return False
    known = {"size", "contentType", "metadata"}
    return all(
        set(resource or {}) <= known
        for resource in (case.request.resource, case.request.new_resource)
        if resource is None or isinstance(resource, Mapping)
    )


ROWS = [case for case in load_cases() if can_travel(case)]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorSuite]:
    try:
        find_node_tools(ROOT)
    except EnvironmentLacking as error:
        pytest.skip(f"{error.problem}; {error.fix}")
    folder = tmp_path_factory.mktemp("storage-corpus")
    for name, root in (
        ("cloud.firestore", "/databases/{db}/documents"),
        ("firebase.storage", "/b/{bucket}/o"),
    ):
        text = "rules_version = '2';\n" + CLOSED.format(name=name, root=root)
        (folder / f"{name}.rules").write_text(text, encoding="utf-8")
    config = {
        "firestore": {"rules": "cloud.firestore.rules"},
        "storage": {"rules": "firebase.storage.rules"},
        "emulators": {"firestore": {}, "storage": {}, "ui": {"enabled": False}},
    }
    (folder / "firebase.json").write_text(json.dumps(config), encoding="utf-8")
    options = SuiteOptions(folder, project_id=PROJECT_ID, tools_dir=ROOT)
    with EmulatorSuite(options) as running:
        running.wait_until_ready()
        yield running


def load_rules(suite: EmulatorSuite, text: str) -> requests.Response:
    return requests.put(
        f"http://{suite.endpoints['storage']}/internal/setRules",
        json={"rules": {"files": [{"name": "storage.rules", "content": text}]}},
        timeout=TIMEOUT_S,
    )


def upload(storage: StorageEmulator, path: str, resource: Mapping[str, Any]) -> None:
    storage.upload(
        path,
        b"x" * resource.get("size", 1),
        content_type=resource.get("contentType", "application/octet-stream"),
        metadata=resource.get("metadata"),
    )


def is_list_allowed(suite: EmulatorSuite, request: RulesRequest, token: str | None) -> bool:
    delimiter = {} if request.delimiter is None else {"delimiter": request.delimiter}
    answer = requests.get(
        f"http://{suite.endpoints['storage']}/v0/b/{request.path[1]}/o",
        params={"prefix": "/".join(request.path[3:]) + "/", **delimiter},
        headers={} if token is None else {"Authorization": f"Firebase {token}"},
        timeout=TIMEOUT_S,
    )
    assert answer.status_code in (200, 403), answer.text
    return answer.status_code == 200


def is_allowed(storage: StorageEmulator, request: RulesRequest) -> bool:
    path = "/".join(request.path[3:])
    try:
        match request.method:
            case Method.GET:
                storage.metadata(path)
            case Method.DELETE:
                storage.delete(path)
            case Method.CREATE:
                assert isinstance(request.new_resource, Mapping)
                upload(storage, path, request.new_resource)
    except StorageDenied:
        return False
    except StorageObjectMissing:
        return True
    return True


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.id)
def test_the_storage_emulator_decides_as_the_table_says(case: Case, suite: EmulatorSuite) -> None:
    request = case.request
    bucket = request.path[1]
    admin = StorageEmulator(suite.endpoints, token=ADMIN_TOKEN, bucket=bucket)
    admin.clear()
    answer = load_rules(suite, case.ruleset)
    if case.decision == "REFUSED":
        assert answer.status_code == 400
        return
    assert answer.status_code == 200
    if isinstance(request.resource, Mapping):
        upload(admin, "/".join(request.path[3:]), request.resource)
    firestore = firestore_client(suite.endpoints["firestore"], PROJECT_ID, token=ADMIN_TOKEN)
    for found in firestore.collection("u").list_documents():
        found.delete()
    for path, fields in case.documents.items():
        firestore.document(path).set(dict(fields))
    firestore.close()
    token = None
    if request.auth is not None:
        claims = {**request.auth.token, "user_id": request.auth.uid}
        token = unsigned_token(str(request.auth.uid), **claims)
    if request.method is Method.LIST:
        allowed = is_list_allowed(suite, request, token)
    else:
        caller = StorageEmulator(suite.endpoints, token=token, bucket=bucket)
        allowed = is_allowed(caller, request)
    assert allowed is (case.decision == "ALLOW")


def test_most_storage_rows_travel() -> None:
    assert len(ROWS) >= LEAST_ROWS
