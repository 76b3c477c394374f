"""`harness firestore`: the embedded Firestore until it is interrupted."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import requests

from tests.cli.conftest import ProjectFolder, Ran


def test_it_serves_until_interrupted(project: ProjectFolder) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "firestore", "--port", "0", "--rules", "firestore.rules"],
        cwd=project.path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://(\S+)", process.stdout.readline())
        assert found is not None
        with requests.Session() as session:
            session.trust_env = False
            assert session.get(f"http://{found.group(1)}/", timeout=10).text == "Ok\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in err


def test_requests_are_printed_live(project: ProjectFolder) -> None:
    options = ["--port", "0", "--log", "--websocket-port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "firestore", *options],
        cwd=project.path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        banner = [process.stdout.readline() for _ in range(8)]
        assert banner[-1].endswith("is now running.\n")
        (view,) = (line for line in banner if line.startswith("Request view: "))
        assert re.fullmatch(r"Request view: ws://127\.0\.0\.1:\d+/requests\n", view)
        endpoint = banner[0].split()[-1]
        with requests.Session() as session:
            session.trust_env = False
            path = "/v1/projects/demo-harness/databases/(default)/documents/c"
            assert session.get(f"{endpoint}{path}", timeout=10).status_code == 200
        line = process.stdout.readline()
        assert re.fullmatch(
            r"[\d:.]{12}  ListDocuments      anonymous  c  no rules  1 read  [\d.]+ ms  OK\n", line
        )
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def test_a_port_in_use_is_said_with_what_to_do(harness: Callable[..., Ran]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = harness("firestore", "--port", port)
    assert ran.status == 3
    assert f"port {port}" in ran.err
    assert "taken by another process" in ran.err
    assert "fix: " in ran.err


def test_rules_that_do_not_load_are_said_with_their_place(
    harness: Callable[..., Ran], project: ProjectFolder
) -> None:
    project.write("bad.rules", "service cloud.firestore {")
    ran = harness("firestore", "--port", "0", "--rules", "bad.rules")
    assert ran.status == 2
    assert "bad.rules:1:" in ran.err
