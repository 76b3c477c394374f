"""The difference report, with a second embedded Firestore that answers like the emulator."""

from __future__ import annotations

import shutil

import pytest

from harness.emulators.firestore_alone import EmbeddedFirestore
from tests.clients.run import PROJECT_ID, SUITES, main

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (SUITES / "node_modules" / "firebase").is_dir(),
    reason="the packages of tests/javascript are not installed: make test",
)


def test_a_server_that_demands_no_index_differs_there_and_nowhere_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with EmbeddedFirestore(PROJECT_ID, arguments=("--profile", "emulator")) as other:
        other.wait_until_ready()
        address = str(other.endpoints.firestore)
        # Of these cases, two need an index; the others are refused by both.
        chosen = ["--clients", "lite", "--only", "refused: a "]
        assert main(["--against", address, *chosen]) == 0
    said = capsys.readouterr().out
    assert f"3 differences from {address}:" in said
    assert "refused: a query without its index names it: step 1 find (lite)" in said
    assert '  theirs   ["SF"]' in said
    assert "a cursor of more values" not in said
