"""Checks that begin with a seed file, and that use several databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml  # noqa: F401  libyaml makes nodes of the first yaml; pytester would import a second one

from harness.emulators.firestore_alone import EmbeddedFirestore
from tests.pytest_plugin.checks import RULES, make_project

pytest_plugins = "pytester"

PROJECT = "demo-seeds"


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
    monkeypatch.delenv("FIREBASE_EMULATOR_HUB", raising=False)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
    monkeypatch.setenv("GCLOUD_PROJECT", PROJECT)


def test_a_check_begins_with_its_seed_and_leaves_nothing_in_any_database(
    pytester: pytest.Pytester,
) -> None:
    make_project(
        pytester,
        test_one="""
        def test_seeded(seed, firestore_admin, firestore_database, query_cost):
            with query_cost() as cost:
                seed("shop.yaml")
            assert cost.writes == 0
            assert firestore_admin.document("users/ana").get().get("n") == 1
            second = firestore_database("second")
            assert second.admin.document("users/ana").get().get("n") == 2
            assert second.as_("ana").document("users/ana").get().get("n") == 2

        def test_denied(seed, firestore_database):
            import pytest
            from google.api_core.exceptions import PermissionDenied

            second = firestore_database("second")
            assert not second.admin.document("users/ana").get().exists
            for client in (second.as_("bob"), second.unauthenticated):
                with pytest.raises(PermissionDenied):
                    client.document("users/ana").get()
        """,
    )
    pytester.makefile(
        ".yaml", shop="documents: {users/ana: {n: 1}}\ndatabases: {second: {users/ana: {n: 2}}}"
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_a_mistake_in_a_seed_fails_the_check_in_one_line(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_one="""
        def test_wrong(seed):
            seed("shop.yaml")

        def test_missing(seed):
            seed("none.yaml")
        """,
    )
    pytester.makefile(".yaml", shop="documents: {users/ana: 1}")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=2)
    result.stdout.no_fnmatch_line("*another exception*")
    result.stdout.fnmatch_lines(["*shop.yaml:1:13: users/ana has no fields*", "*none.yaml*"])
