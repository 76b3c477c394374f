"""The process as firebase-tools starts and stops it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
from google.api_core.exceptions import FailedPrecondition
from google.cloud.firestore_v1.base_query import FieldFilter

from harness.emulators.firestore_client import firestore_client
from harness.server.http2 import frame
from tests.server.hostile import END_HEADERS, FIRESTORE, HEADERS, HELLO, request_head

TIMEOUT_S = 20


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server on a free port and wait for its banner; yields it with its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.server", "--host", "127.0.0.1", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Dev App Server is now running." in line:
                break
        endpoint = [line for line in lines if line.startswith("API endpoint: http://")]
        assert endpoint, process.communicate(timeout=TIMEOUT_S)[1]
        yield process, endpoint[0].strip().removeprefix("API endpoint: http://")
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_signal_ends_it_cleanly_even_with_a_client_connected(number: signal.Signals) -> None:
    with started() as (process, address):
        client = firestore_client(address, "demo-p")
        client.document("c/d").set({"n": 1})
        process.send_signal(number)
        assert process.wait(TIMEOUT_S) == 0
        client.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_signal_ends_it_within_a_second_whatever_is_open_or_running() -> None:
    with started() as (process, address), ExitStack() as stack:
        host, _, port = address.rpartition(":")
        client = firestore_client(address, "demo-p")
        stack.callback(client.close)
        batch = client.batch()
        for number in range(5_000):
            batch.set(client.document(f"c/{number}"), {"n": number})
        batch.commit()
        listen = HELLO + frame(HEADERS, END_HEADERS, 1, request_head(FIRESTORE + "Listen"))
        url = f"http://{address}/v1/projects/demo-p/databases/(default)/documents:runQuery"
        query = json.dumps({"structuredQuery": {"from": [{"collectionId": "c"}]}}).encode()
        head = f"POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(query)}\r\n\r\n"
        for said in (b"", b"PRI", b"GET /", listen, listen, head.encode() + query):
            connection = stack.enter_context(socket.create_connection((host, int(port))))
            connection.sendall(said)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
        # A second, on a machine that does nothing else.
        assert time.monotonic() - begun < 8


BUSY = """
import asyncio, sys, time
from harness.server.signals import end_on_signals

async def main():
    end_on_signals(lambda: None, has_work_to_do=sys.argv[1] == "work")
    print("ready", flush=True)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        sum(range(1000))

asyncio.run(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(("work", "signals", "status"), [("none", 1, 0), ("work", 2, 130)])
def test_a_loop_that_is_busy_is_ended_too(work: str, signals: int, status: int) -> None:
    """Without work to do at the end, by the first signal; otherwise by a second."""
    command = [sys.executable, "-c", BUSY, work]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        begun = time.monotonic()
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        assert process.wait(TIMEOUT_S) == status
        assert time.monotonic() - begun < 4  # it would be busy for 30 s


@pytest.mark.parametrize(("host", "is_warned"), [("0.0.0.0", True), ("127.0.0.1", False)])
def test_an_address_that_others_can_reach_is_warned_of(host: str, is_warned: bool) -> None:
    with started("--host", host) as (process, address):
        assert address.startswith(host)
        process.terminate()
        _, log = process.communicate(timeout=TIMEOUT_S)
    assert ("whoever can connect can read and write everything" in log) == is_warned


def test_a_post_to_shutdown_ends_it() -> None:
    with started() as (process, address):
        answer = requests.post(f"http://{address}/shutdown", timeout=TIMEOUT_S)
        assert answer.text == "Shutting down...\n"
        assert process.wait(TIMEOUT_S) == 0


def test_a_port_in_use_is_told_in_the_words_that_firebase_tools_looks_for() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "harness.server", "--host", "127.0.0.1", "--port", port],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_requests_are_printed_as_they_are_served_when_that_is_wanted() -> None:
    with started("--log-requests", "true", "--websocket_port", "0") as (process, address):
        root = f"http://{address}/v1/projects/demo-p/databases/(default)/documents"
        body = {"fields": {"n": {"integerValue": "1"}}}
        requests.patch(f"{root}/c/d", json=body, timeout=TIMEOUT_S)
        requests.get(f"{root}/c/none", timeout=TIMEOUT_S)
        assert process.stdout is not None
        lines = [process.stdout.readline().split(maxsplit=1)[1].strip() for _ in range(2)]
    shown = [re.sub(r"\d+\.\d ms", "1.0 ms", line) for line in lines]
    assert shown == [
        "UpdateDocument     anonymous  c/*  no rules  1 write  1.0 ms  OK",
        "GetDocument        anonymous  c/*  no rules  1 read  1.0 ms  NOT_FOUND  "
        f'Document "{root.partition("/v1/")[2]}/c/none" not found.',
    ]


def test_rules_and_indexes_are_read_from_their_files(tmp_path: Path) -> None:
    rules = tmp_path / "firestore.rules"
    rules.write_text("service cloud.firestore { match /databases/{d}/documents { } }")
    indexes = tmp_path / "firestore.indexes.json"
    indexes.write_text(
        """{ // comments are allowed
        "indexes": [{"collectionGroup": "c", "queryScope": "COLLECTION", "fields": [
            {"fieldPath": "a", "order": "ASCENDING"}, {"fieldPath": "b", "order":
            "ASCENDING"}]}]}"""
    )
    with started("--rules", str(rules), "--indexes", str(indexes)) as (_, address):
        url = f"http://{address}/v1/projects/demo-p/databases/(default)/documents/c/d"
        assert requests.get(url, timeout=TIMEOUT_S).status_code == 403
        known = requests.get(f"http://{address}/harness/v1/indexes", timeout=TIMEOUT_S).json()
        assert len(known["indexes"]) == 1


@pytest.mark.parametrize(
    ("flag", "content", "status"),
    [
        ("--rules", "service cloud.firestore {", 2),
        ("--rules", None, 2),
        ("--indexes", "{", 2),
        ("--indexes", '{"indexes": 1}', 2),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, flag: str, content: str | None, status: int
) -> None:
    file = tmp_path / "given"
    if content is not None:
        file.write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "harness.server", "--port", "0", flag, str(file)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == status
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr


def test_help_and_version_are_printed() -> None:
    for flag, text in (("--help", "--functions_emulator"), ("--version", "\n")):
        done = subprocess.run(
            [sys.executable, "-m", "harness.server", flag],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0
        assert text in done.stdout


def test_a_changed_index_file_is_loaded_and_a_broken_one_is_told_with_its_position(
    tmp_path: Path,
) -> None:
    indexes = tmp_path / "firestore.indexes.json"
    indexes.write_text('{"indexes": []}', encoding="utf-8")
    with started("--indexes", str(indexes)) as (process, address):
        indexes.write_text('{"indexes": [\n  oops', encoding="utf-8")
        assert process.stderr is not None
        for line in process.stderr:
            if str(indexes) in line:
                break
        assert f"{indexes}:2:" in line
        client = firestore_client(address, "demo-p")
        query = client.collection("c").where(filter=FieldFilter("a", "==", 1)).order_by("b")
        with pytest.raises(FailedPrecondition, match="requires an index"):
            list(query.stream())
        field = '{"fieldPath": "%s", "order": "ASCENDING"}'
        indexes.write_text(
            '{"indexes": [{"collectionGroup": "c", "queryScope": "COLLECTION", "fields": '
            f"[{field % 'a'}, {field % 'b'}]}}]}}",
            encoding="utf-8",
        )
        for line in process.stderr:
            if "has changed and was loaded" in line:
                break
        assert list(query.stream()) == []
        client.close()
