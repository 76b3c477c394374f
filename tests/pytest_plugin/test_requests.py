"""Checks' requests are kept below `.harness`, and explained where a check fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.emulators.firestore_alone import EmbeddedFirestore
from harness.recordings import RequestsFile, read_recordings, read_run
from tests.pytest_plugin.checks import RULES, make_project, results_of

pytest_plugins = "pytester"

PROJECT = "demo-plugin"

CHECKS = """
    import pytest
    from google.api_core.exceptions import PermissionDenied

    def test_owner(firestore_as):
        firestore_as("alice").document("users/alice").set({"name": "Alice"})

    def test_stranger(firestore_as):
        with pytest.raises(PermissionDenied):
            firestore_as("bob").document("users/alice").get()
"""

FAILING = """
    import pytest
    from google.api_core.exceptions import PermissionDenied

    def test_denied(firestore_as):
        firestore_as("bob").document("users/alice").get()

    def test_allowed(firestore_as):
        with pytest.raises(PermissionDenied):
            firestore_as("alice").document("users/alice").get()

    def test_no_match(firestore_as):
        firestore_as("alice").document("elsewhere/alice").delete()
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    rules = tmp_path_factory.mktemp("rules") / "firestore.rules"
    rules.write_text(RULES, encoding="utf-8")
    with EmbeddedFirestore(PROJECT, rules=rules) as firestore:
        firestore.wait_until_ready()
        assert firestore.endpoints.firestore is not None
        yield firestore.endpoints.firestore


@pytest.fixture(autouse=True)
def running(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Firestore that runs already, as `emulators:exec` would have named it."""
    monkeypatch.delenv("FIREBASE_EMULATOR_HUB", raising=False)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
    monkeypatch.setenv("GCLOUD_PROJECT", PROJECT)


def project(pytester: pytest.Pytester, **files: str) -> Path:
    folder = make_project(pytester, **files)
    # To the byte what the Firestore was started with.
    (folder / "firestore.rules").write_text(RULES, encoding="utf-8")
    return folder


def test_requests_are_kept_with_the_check_that_made_them(pytester: pytest.Pytester) -> None:
    folder = project(pytester, test_rules=CHECKS)
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=2)
    kept = [(each.origin, each.title, each.allowed) for each in read_recordings(folder)]
    assert kept == [
        ("test_rules.py::test_owner", "create users/alice as alice", True),
        ("test_rules.py::test_stranger", "get users/alice as bob", False),
    ]


def test_a_run_replaces_what_the_one_before_kept(pytester: pytest.Pytester) -> None:
    folder = project(pytester, test_rules=CHECKS)
    pytester.runpytest_inprocess("-q")
    pytester.runpytest_inprocess("-q", "-k", "stranger")
    assert [each.title for each in read_recordings(folder)] == ["get users/alice as bob"]


def test_requests_of_all_workers_are_kept(pytester: pytest.Pytester) -> None:
    folder = project(pytester, test_rules=CHECKS)
    RequestsFile(folder, "gw9", []).append("old", ['{"left_out": 1}\n'])
    result = pytester.runpytest_subprocess("-q", "-n", "2")
    result.assert_outcomes(passed=2)
    titles = sorted(each.title for each in read_recordings(folder))
    assert titles == ["create users/alice as alice", "get users/alice as bob"]
    assert read_run(folder).left_out == 0


def test_requests_that_other_rules_decided_are_kept_apart(pytester: pytest.Pytester) -> None:
    folder = project(
        pytester,
        test_rules="""
        import os
        from pathlib import Path

        import requests

        def test_other_rules(firestore_as, project_id):
            text = Path("firestore.rules").read_text()
            url = f"http://{os.environ['FIRESTORE_EMULATOR_HOST']}/emulator/v1/projects/{project_id}"
            def load(text):
                body = {"rules": {"files": [{"content": text}]}}
                requests.put(f"{url}:securityRules", json=body).raise_for_status()
            load(text.replace("uid == uid", "uid != uid"))
            firestore_as("bob").document("users/alice").get()
            load(text)
            firestore_as("bob").document("users/bob").get()
        """,
    )
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=1)
    run = read_run(folder)
    assert [each.title for each in run.requests] == ["get users/bob as bob"]
    assert [each.recorded.title for each in run.foreign] == ["get users/alice as bob"]


def test_a_failing_check_says_what_the_rules_decided(pytester: pytest.Pytester) -> None:
    project(pytester, test_rules=FAILING)
    result = pytester.runpytest_inprocess("-q")
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*rules decisions*",
            "denied: get users/alice as bob: firestore.rules:5:53: *",
            "  firestore.rules:4:5 match /databases/{database}/documents/users/{uid}",
            "      where database = '(default)', uid = 'alice'",
            "  firestore.rules:5:7 allow read, write: false",
            "    decided at firestore.rules:5:53",
            "      request.auth.uid == uid => false ('bob' vs 'alice')",
            "      | allow read, write: if request.auth != null && request.auth.uid == uid;",
            "      |                                               ^^^^^^^^^^^^^^^^^^^^^^^",
            "*rules decisions*",
            "allowed: get users/alice as alice: firestore.rules:5:7: *",
            "  firestore.rules:5:7 allow read, write: granted",
            "*rules decisions*",
            "denied: delete elsewhere/alice as alice: no match block speaks about this path",
        ]
    )


def test_the_reason_of_a_failed_check_names_the_expression(pytester: pytest.Pytester) -> None:
    folder = project(pytester, test_rules=FAILING)
    pytester.runpytest_inprocess("-q", "--harness-evidence", "out")
    reasons = {
        result.nodeid.partition("::")[2]: result.reason for result in results_of(folder / "out")
    }
    assert reasons["test_denied"].endswith(
        "firestore.rules:5:53: request.auth.uid == uid => false ('bob' vs 'alice')"
    )
    assert "; allowed: get users/alice as alice: " in reasons["test_allowed"]
    assert reasons["test_no_match"].endswith(
        "; denied: delete elsewhere/alice as alice: no match block speaks about this path"
    )


def test_a_denial_that_the_check_expected_is_not_named_as_the_reason(
    pytester: pytest.Pytester,
) -> None:
    folder = project(
        pytester,
        test_rules="""
        from google.api_core.exceptions import PermissionDenied

        def denied(client, path):
            try:
                client.document(path).get()
            except PermissionDenied:
                return True
            return False

        def test_counted(firestore_as):
            found = [denied(firestore_as("bob"), path) for path in ("users/bob", "users/alice")]
            assert found == [True, True]
        """,
    )
    result = pytester.runpytest_inprocess("-q", "--harness-evidence", "out")
    result.stdout.fnmatch_lines(["denied: get users/alice as bob: firestore.rules:5:53: *"])
    [counted] = results_of(folder / "out")
    assert counted.reason.endswith("assert [False, True] == [True, True] (test_rules.py:12)")
