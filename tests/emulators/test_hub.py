from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from harness.emulators.hub import Hub, SuiteEndpoints, emulators_from_json
from harness.errors import EnvironmentLacking

_RUNNING = {
    "hub": {"listen": [], "name": "hub", "host": "127.0.0.1", "port": 4400},
    "auth": {"name": "auth", "host": "::1", "port": 9099},
    "firestore": {"name": "firestore", "host": "127.0.0.1", "port": 8080, "pid": 1},
    "extensions": {"name": "extensions", "host": "127.0.0.1", "port": 5001},
}


@pytest.fixture
def hub() -> Iterator[str]:
    """A Hub that answers as the official one does, and remembers nothing."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, _RUNNING) if self.path == "/emulators" else self._answer(404, {})

        def do_PUT(self) -> None:
            self._answer(400, {"error": "The Cloud Functions emulator is not running."})

        def _answer(self, status: int, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_hubs_answer_becomes_addresses():
    assert emulators_from_json(_RUNNING) == {
        "hub": "127.0.0.1:4400",
        "auth": "[::1]:9099",
        "firestore": "127.0.0.1:8080",
    }


def test_no_suite_is_found_where_none_is_named():
    assert SuiteEndpoints.from_environment({"PATH": "/bin", "GCLOUD_PROJECT": "demo-x"}) is None


def test_a_suite_is_found_by_its_hub(hub):
    found = SuiteEndpoints.from_environment(
        {"FIREBASE_EMULATOR_HUB": hub, "GCLOUD_PROJECT": "demo-x"}
    )
    assert found is not None
    assert (found.project_id, found.firestore, found.functions) == (
        "demo-x",
        "127.0.0.1:8080",
        None,
    )


def test_a_lone_firestore_is_found_by_its_variable():
    found = SuiteEndpoints.from_environment(
        {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1", "FIREBASE_CONFIG": '{"projectId": "demo-y"}'}
    )
    assert found == SuiteEndpoints("demo-y", firestore="127.0.0.1:1")


def test_a_suite_of_an_unknown_project_is_refused_with_what_to_set():
    with pytest.raises(EnvironmentLacking, match="GCLOUD_PROJECT"):
        SuiteEndpoints.from_environment({"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"})


def test_a_hub_that_is_gone_is_reported():
    with pytest.raises(EnvironmentLacking, match="cannot be reached"):
        SuiteEndpoints.from_environment(
            {"FIREBASE_EMULATOR_HUB": "127.0.0.1:1", "GCLOUD_PROJECT": "demo-x"}
        )


def test_the_environment_leads_back_to_the_same_suite():
    suite = SuiteEndpoints(
        "demo-x", auth="127.0.0.1:1", firestore="127.0.0.1:2", storage="127.0.0.1:3"
    )
    environment = suite.environment()
    assert environment["STORAGE_EMULATOR_HOST"] == "http://127.0.0.1:3"
    assert SuiteEndpoints.from_environment(environment) == suite


def test_an_emulator_that_does_not_run_is_named():
    with pytest.raises(EnvironmentLacking, match="the storage emulator does not run"):
        SuiteEndpoints("demo-x")["storage"]


def test_the_hubs_refusal_is_passed_on_in_its_words(hub):
    with pytest.raises(EnvironmentLacking, match="Cloud Functions emulator is not running"):
        Hub(SuiteEndpoints("demo-x", hub=hub)).disable_background_triggers()
