"""The fixtures of the access matrix, in small projects."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.emulators.firestore_alone import EmbeddedFirestore
from tests.pytest_plugin.checks import RULES, make_project, outcomes_of, results_of

pytest_plugins = "pytester"

PROJECT = "demo-plugin"
SETTINGS = """
project_id: demo-plugin
personas: {alice: , bob: {claims: {admin: true}}, guest: {uid: null}}
access:
  documents: {users/$uid: {name: X}, admins/a: {}}
  rows:
    - {name: own profile, method: get, path: users/$uid, allow: signed-in}
    - {name: rename oneself, method: update, path: users/$uid, data: {name: Y}, allow: signed-in}
    - {name: Alice's profile, method: get, path: users/alice, allow: alice}
    - {name: an admin, method: get, path: admins/a, allow: bob}
"""
CHECKS = """
    import pytest

    @pytest.mark.workflow("Testing/Verify security rules")
    def test_table(access_matrix):
        access_matrix.check()

    @pytest.mark.workflow("Testing/Test Cloud Functions")
    def test_wire(access_over_the_wire):
        access_over_the_wire(size=9)
"""
TABLE, WIRE = "test_table", "test_wire"
RULES_ITEM, WIRE_ITEM = "testing/verify-security-rules", "testing/test-cloud-functions"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    rules = tmp_path_factory.mktemp("rules") / "firestore.rules"
    rules.write_text(RULES, encoding="utf-8")
    with EmbeddedFirestore(PROJECT, rules=rules) as firestore:
        firestore.wait_until_ready()
        assert firestore.endpoints.firestore is not None
        yield firestore.endpoints.firestore


@pytest.fixture
def running(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIREBASE_EMULATOR_HUB", raising=False)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
    monkeypatch.setenv("GCLOUD_PROJECT", PROJECT)


def run(
    pytester: pytest.Pytester, settings: str = SETTINGS, *, rules: str = RULES, only: str = ""
) -> Path:
    folder = make_project(pytester, test_access=CHECKS)
    (folder / "harness.yaml").write_text(settings, encoding="utf-8")
    (folder / "firestore.rules").write_text(rules, encoding="utf-8")
    pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", f"--harness-evidence={folder}", "-k", only
    )
    return folder


@pytest.mark.usefixtures("running")
def test_agreement_passes_and_says_how_many(pytester: pytest.Pytester) -> None:
    folder = run(pytester)
    assert set(outcomes_of(folder).values()) == {"PASSED"}
    states = {result.nodeid.partition("::")[2]: result.states for result in results_of(folder)}
    assert "12 decisions (4 requests as 3 personas) agree with the access matrix" in states[TABLE]
    assert "9 of 12 decisions were the same over the wire (Firestore)" in states[WIRE]


def test_a_surprise_fails_with_the_table_and_the_reason(pytester: pytest.Pytester) -> None:
    """In process: no emulator runs here."""
    rules = RULES.replace(" && request.auth.uid == uid", "")
    folder = run(pytester, rules=rules, only=TABLE)
    (result,) = [each for each in results_of(folder) if each.item_id == RULES_ITEM]
    assert result.outcome.value == "FAILED"
    assert result.reason.endswith(
        "surprise the access matrix: Alice's profile, as bob: allowed, expected denied"
    )


@pytest.mark.usefixtures("running")
def test_an_emulator_with_other_rules_fails(pytester: pytest.Pytester) -> None:
    """The emulator has its rules from elsewhere: what is decided in process is not so there."""
    rules = RULES.replace(" && request.auth.uid == uid", "")
    folder = run(pytester, rules=rules, only=WIRE)
    (result,) = [each for each in results_of(folder) if each.item_id == WIRE_ITEM]
    assert result.outcome.value == "FAILED"
    assert "are not the same over the wire and in process" in result.reason


@pytest.mark.usefixtures("running")
def test_without_a_matrix_nothing_is_verified(pytester: pytest.Pytester) -> None:
    folder = run(pytester, "project_id: demo-plugin\n")
    assert set(outcomes_of(folder).values()) == {"SKIPPED"}
    assert {result.reason for result in results_of(folder)} == {
        "harness.yaml names no access matrix"
    }


def test_a_matrix_that_does_not_load_fails_with_its_place(pytester: pytest.Pytester) -> None:
    folder = run(pytester, SETTINGS.replace("method: update", "method: updat"), only=TABLE)
    (result,) = [each for each in results_of(folder) if each.item_id == RULES_ITEM]
    assert result.outcome.value in ("ERROR", "FAILED")
    assert "harness.yaml:8:" in result.reason
    assert '"updat" is not a method' in result.reason
