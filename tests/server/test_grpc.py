"""gRPC as a protocol: what does not depend on which method is called."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from harness.firestore.profile import PROFILES, Profile
from harness.server.options import ServerOptions
from harness.server.wire import pb
from tests.server.running import Project, running_server

FIRESTORE = "/google.firestore.v1.Firestore/"
OWNER = [("authorization", "Bearer owner")]


@pytest.fixture
def channel(project: Project) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(
        project.server.host, options=[("grpc.max_receive_message_length", -1)]
    ) as made:
        yield made


def unary(channel: grpc.Channel, method: str, data: bytes, **options: Any) -> bytes:
    call = channel.unary_unary(method, lambda raw: raw, lambda raw: raw)
    found: bytes = call(data, timeout=10, **options)
    return found


def failure(channel: grpc.Channel, method: str, data: bytes, **options: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as error:
        unary(channel, method, data, **options)
    return error.value.code().name, error.value.details()  # type: ignore[attr-defined]


def database(project: Project) -> str:
    return f"projects/{project.id}/databases/(default)"


def test_an_unknown_method_is_unimplemented(channel: grpc.Channel) -> None:
    code, text = failure(channel, "/google.firestore.admin.v1.FirestoreAdmin/ListIndexes", b"")
    assert code == "UNIMPLEMENTED"
    assert "google.firestore.admin.v1.FirestoreAdmin/ListIndexes" in text


def test_a_status_message_may_hold_any_character(project: Project, channel: grpc.Channel) -> None:
    name = f"{database(project)}/documents/č%/\n"
    request = pb.GetDocumentRequest(name=name).SerializeToString()
    code, text = failure(channel, FIRESTORE + "GetDocument", request, metadata=OWNER)
    assert code == "NOT_FOUND"
    assert text == f'Document "{name}" not found.'


def test_a_request_that_cannot_be_parsed_is_an_error_of_its_own(channel: grpc.Channel) -> None:
    assert failure(channel, FIRESTORE + "Commit", b"\xff\xff")[0] == "INTERNAL"


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_requests_are_read(
    project: Project, channel: grpc.Channel, compression: grpc.Compression
) -> None:
    request = pb.CommitRequest(database=database(project))
    write = request.writes.add()
    write.update.name = f"{database(project)}/documents/c/d"
    write.update.fields["text"].string_value = "a" * 10_000
    data = unary(
        channel,
        FIRESTORE + "Commit",
        request.SerializeToString(),
        metadata=OWNER,
        compression=compression,
    )
    assert len(pb.CommitResponse.FromString(data).write_results) == 1


def test_a_large_document_goes_both_ways(project: Project, db: Any) -> None:
    text = "x" * 900_000
    db.document("c/large").set({"text": text})
    assert db.document("c/large").get().get("text") == text


def test_many_large_documents_come_through_flow_control(project: Project, db: Any) -> None:
    for number in range(20):
        db.document(f"c/{number}").set({"text": "x" * 500_000})
    found = list(db.collection("c").stream())
    assert [len(document.get("text")) for document in found] == [500_000] * 20


def test_a_batch_larger_than_four_megabytes_is_accepted(db: Any) -> None:
    batch = db.batch()
    for number in range(10):
        batch.set(db.document(f"c/{number}"), {"text": "x" * 900_000})
    assert len(batch.commit()) == 10


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_a_message_above_the_limit_is_refused_before_it_has_come(profile: Profile) -> None:
    import socket

    from harness.server.http2 import PREFACE, frame
    from harness.server.http2_headers import write_headers

    head = write_headers(
        [
            (":method", "POST"),
            (":path", FIRESTORE + "Commit"),
            (":scheme", "http"),
            ("content-type", "application/grpc"),
        ]
    )
    most = profile.max_request_bytes or 100 * 1024 * 1024
    size = most + 1
    options = ServerOptions(host="127.0.0.1", port=0, profile=profile)
    with (
        running_server(options) as server,
        socket.create_connection(("127.0.0.1", server.running.port), timeout=10) as connection,
    ):
        connection.sendall(
            PREFACE
            + frame(4, 0, 0)
            + frame(1, 4, 1, head)
            + frame(0, 0, 1, struct.pack(">BI", 0, size) + b"x")
        )
        received = b""
        while b"grpc-message" not in received:
            part = connection.recv(65536)
            assert part, "the connection ended without an answer"
            received += part
    words = {
        "production": "Request payload size exceeds the limit: 10485760 bytes.",
        "emulator": f"gRPC message exceeds maximum size 104857600: {size}",
    }
    assert words[profile.name].encode() in received


def test_gzip_is_not_confused_with_plain_content(project: Project, channel: grpc.Channel) -> None:
    # A message that says it is compressed, but whose call names no encoding.
    data = gzip.compress(b"")
    assert failure(channel, FIRESTORE + "Commit", data)[0] == "INTERNAL"


def test_http2_without_grpc_reaches_the_same_routes(project: Project) -> None:
    import httpx

    with httpx.Client(http2=True, http1=False) as client:
        answer = client.get(project.server.url("/"))
        assert (answer.status_code, answer.text, answer.http_version) == (200, "Ok\n", "HTTP/2")
        listed = client.get(project.server.url(f"{project.root}/c"))
        assert (listed.status_code, listed.text) == (200, "{\n}\n")
