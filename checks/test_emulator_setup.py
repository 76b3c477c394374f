"""Implementation Phase / Setup: the emulators for local development."""

import pytest
import requests

import harness

pytestmark = pytest.mark.workflow("Setup/Set up Firebase emulators for local development")


def test_each_service_has_its_emulator(readiness, settle):
    """firebase.json sets up an emulator for each service, each on a port of its own."""
    settle(readiness.emulators)


def test_the_emulators_start(suite, harness_settings, record_proof):
    """The Emulator Suite starts from this firebase.json, under a demo project."""
    if suite.hub is None:
        harness.not_verified("the Emulator Suite is not running, only a Firestore")
    running = requests.get(f"http://{suite.hub}/emulators", timeout=10).json()
    assert running, "the Hub lists no emulator"
    assert suite.project_id.startswith("demo-")
    record_proof(f"started: {', '.join(sorted(running))}")
