"""The control routes as gRPC, which rules test libraries before HTTP call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.api_core import exceptions

from tests.server.running import Project, ServerUnderTest

Call = Callable[[str, bytes], bytes]
TIMEOUT_S = 10

OWN = """service cloud.firestore {
  match /databases/{database}/documents {
    match /users/{uid} { allow read, write: if request.auth.uid == uid; }
  }
}
"""


def _text(number: int, value: str | bytes) -> bytes:
    """Encode one field of a message as a client's own protobuf does."""
    data = value.encode() if isinstance(value, str) else value
    length = len(data)
    size = b""
    while length > 0x7F:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + data


def _rules(text: str) -> bytes:
    # The library sends no name for the file.
    return _text(2, _text(1, _text(1, text)))


@pytest.fixture
def call(server: ServerUnderTest) -> Iterator[Call]:
    with grpc.insecure_channel(server.host) as channel:

        def ask(method: str, message: bytes) -> bytes:
            path = f"/google.firestore.emulator.v1.FirestoreEmulator/{method}"
            return bytes(channel.unary_unary(path)(message, timeout=TIMEOUT_S))

        yield ask


def test_rules_are_set(call: Call, project: Project) -> None:
    assert call("SetSecurityRules", _text(1, f"projects/{project.id}") + _rules(OWN)) == b""
    project.as_user("ana").document("users/ana").set({})
    with pytest.raises(exceptions.PermissionDenied):
        project.as_user("ana").document("users/bob").set({})


def test_rules_that_do_not_load_are_refused_with_the_words_of_the_route(
    call: Call, project: Project
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        call(
            "SetSecurityRules",
            _text(1, f"projects/{project.id}") + _rules(OWN.replace("== uid", "==")),
        )
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details().startswith("Error compiling rules:\nL3:")


def test_data_is_cleared_in_one_database(call: Call, project: Project, db: Any) -> None:
    db.document("users/ana").set({})
    assert call("ClearData", _text(1, f"projects/{project.id}/databases/other")) == b""
    assert db.document("users/ana").get().exists
    assert call("ClearData", _text(1, f"projects/{project.id}/databases/(default)")) == b""
    assert not db.document("users/ana").get().exists


@pytest.mark.parametrize(
    ("method", "name"), [("SetSecurityRules", "demo-x"), ("ClearData", "projects/demo-x")]
)
def test_a_name_of_nothing_is_refused(call: Call, method: str, name: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        call(method, _text(1, name))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
