"""`--against PROJECT`: only checks that say they read, guarded twice. A server of ours plays the
project, on a channel that is put in the place of the real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import grpc
import pytest
from google.auth.credentials import AnonymousCredentials

from harness.emulators import read_only_client
from harness.emulators.firestore_client import firestore_client
from tests.pytest_plugin.checks import make_project
from tests.pytest_plugin.test_fixtures import address, running  # noqa: F401
from tests.server.running import Project, running_server

pytest_plugins = "pytester"

PROJECT = "our-staging"
CHECKS = """
import pytest
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.query_profile import ExplainOptions

@pytest.mark.staging
def test_open_orders_use_their_index(firestore_reader):
    orders = firestore_reader.collection("orders")
    query = orders.where(filter=FieldFilter("status", "==", "open"))
    metrics = query.get(explain_options=ExplainOptions(analyze=False)).get_explain_metrics()
    (index,) = metrics.plan_summary.indexes_used
    assert index["properties"] == "(status ASC, __name__ ASC)"

@pytest.mark.staging
def test_writes(firestore_reader):
    firestore_reader.document("orders/x").set({"n": 1})

@pytest.mark.staging
def test_needs_the_emulators(firestore_reader, firestore_admin):
    pass

def test_is_not_marked(firestore_reader):
    pass
"""


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in ("FIREBASE_EMULATOR_HUB", "FIRESTORE_EMULATOR_HOST", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    with running_server() as server, ExitStack() as cleanups:
        monkeypatch.setattr(
            read_only_client,
            "_open_channel",
            lambda *_: grpc.insecure_channel(server.host),
        )
        monkeypatch.setattr(
            read_only_client.google.auth,  # type: ignore[attr-defined]
            "default",
            lambda: (AnonymousCredentials(), None),
        )
        project = Project(server, PROJECT, cleanups.callback)
        firestore_client(server.host, PROJECT).document("orders/a").set({"status": "open"})
        yield project


def make(pytester: pytest.Pytester, settings: str) -> None:
    make_project(pytester, test_orders=CHECKS)
    (pytester.path / "harness.yaml").write_text(settings, encoding="utf-8")


def test_what_reads_runs_and_nothing_writes(pytester: pytest.Pytester, production: Project) -> None:
    make(pytester, f"staging: {PROJECT}\n")
    since = production.cost()["lastSequence"]
    result = pytester.runpytest_inprocess("-ra", "-W", "ignore", "--against", PROJECT)
    result.assert_outcomes(passed=1, failed=1, skipped=2)
    result.stdout.fnmatch_lines(
        [
            f"harness: against {PROJECT}, reading only; nothing is ticked or recorded",
            "*Commit is no call that reads, and was not sent*",
            "*it needs the emulators, for firestore_admin*",
            f"*against {PROJECT} only checks with the mark `staging` run*",
        ],
        consecutive=False,
    )
    assert {each["rpc"] for each in production.requests(since)} == {"RunQuery"}
    assert not (pytester.path / ".harness").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("", "*harness.yaml does not say that this is a staging project*"),
        ("staging: another\n", "*the staging project of harness.yaml is another*"),
    ],
)
def test_both_guards_have_to_name_the_project(
    pytester: pytest.Pytester, production: Project, settings: str, words: str
) -> None:
    make(pytester, settings)
    since = production.cost()["lastSequence"]
    result = pytester.runpytest_inprocess("--against", PROJECT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([words, "*fix: *"])
    assert production.requests(since) == []


def test_an_emulator_s_variable_is_in_the_way(
    pytester: pytest.Pytester, production: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(pytester, f"staging: {PROJECT}\n")
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    result = pytester.runpytest_inprocess("--against", PROJECT)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*FIRESTORE_EMULATOR_HOST is set, which names an emulator*"])


@pytest.mark.usefixtures("running")
def test_the_same_checks_run_on_emulators_and_cannot_write_there_either(
    pytester: pytest.Pytester,
) -> None:
    make(pytester, "")
    result = pytester.runpytest_inprocess("-q", "-W", "ignore")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*Commit is no call that reads, and was not sent*"])
