"""Events and schedules through the real Functions emulator: functions print what the SDK makes
of them. One suite for all, since a start takes seconds.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.cloud.firestore_v1 import GeoPoint
from google.cloud.firestore_v1.vector import Vector

from harness.emulators.firestore_client import firestore_client
from harness.emulators.functions import FunctionsEmulator
from harness.emulators.hub import Hub
from harness.emulators.node import find_node_tools
from harness.emulators.suite import EmulatorSuite, SuiteOptions
from harness.emulators.tokens import ADMIN_TOKEN, user_token
from harness.errors import ConfigError, EnvironmentLacking
from harness.pytest_plugin.admin import FirestoreAdmin
from harness.pytest_plugin.clock import EmulatorClock, controlled_clock
from harness.pytest_plugin.schedules import ScheduledFunctions

pytestmark = [pytest.mark.suite, pytest.mark.xdist_group("events")]

_REPOSITORY = Path(__file__).parents[2]
_ECHO = Path(__file__).parent / "projects" / "echo"
_SDK = _REPOSITORY / "backend" / "functions" / "node_modules"
_PROJECT = "demo-echo"
_LIMIT_S = 30.0


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorSuite]:
    try:
        find_node_tools(_REPOSITORY)
    except EnvironmentLacking as error:
        pytest.skip(f"{error.problem}; {error.fix}")
    if not (_SDK / "firebase-functions").is_dir():
        pytest.skip("firebase-functions is not installed; run: npm ci  (in backend/functions)")
    project = tmp_path_factory.mktemp("project") / "echo"
    shutil.copytree(_ECHO, project)
    (project / "functions" / "node_modules").symlink_to(_SDK)
    options = SuiteOptions(project, project_id=_PROJECT, tools_dir=_REPOSITORY)
    with EmulatorSuite(options) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def firestore(suite: EmulatorSuite) -> FirestoreAdmin:
    admin = FirestoreAdmin(suite.endpoints["firestore"], _PROJECT, "(default)")
    admin.settle(_LIMIT_S)
    admin.begin()
    return admin


@pytest.fixture
def client(suite: EmulatorSuite) -> Iterator[Callable[..., Any]]:
    opened = []

    def client_of(token: str | None = ADMIN_TOKEN, database: str = "(default)") -> Any:
        opened.append(firestore_client(suite.endpoints["firestore"], _PROJECT, database, token))
        return opened[-1]

    yield client_of
    for each in opened:
        each.close()


@pytest.fixture
def clock(firestore: FirestoreAdmin) -> Iterator[EmulatorClock]:
    with controlled_clock(firestore) as clock:
        yield clock


@pytest.fixture
def scheduled(suite: EmulatorSuite, clock: EmulatorClock) -> ScheduledFunctions:
    # No trigger watches what the scheduled functions write.
    return ScheduledFunctions(FunctionsEmulator(suite.endpoints), clock, lambda: None)


def printed(suite: EmulatorSuite, mark: int, name: str, count: int) -> list[Any]:
    """What a function printed, once it has printed so often: lines come after the answer."""
    limit = time.monotonic() + _LIMIT_S
    while True:
        lines = [line for line in suite.function_logs(mark) if line.startswith(f"{name} ")]
        if len(lines) >= count or time.monotonic() > limit:
            return [json.loads(line.partition(" ")[2]) for line in lines]
        time.sleep(0.05)


_TIME = DatetimeWithNanoseconds(2030, 1, 2, 3, 4, 5, nanosecond=123_456_000, tzinfo=UTC)


def every_type(db: Any) -> dict[str, Any]:
    return {
        "null": None,
        "true": True,
        "whole": 2**53 - 1,
        "half": 0.5,
        "minusZero": -0.0,
        "nan": float("nan"),
        "endless": float("-inf"),
        "time": _TIME,
        "text": "grün\n🙂",
        "bytes": b"\x00\xff",
        "reference": db.document("users/ana/pets/1"),
        "place": GeoPoint(-1.5, 179.25),
        "list": [1, "a", {"deep": [True, None]}],
        "empty": [],
        "vector": Vector([1.0, -2.5]),
        "map": {"inner": {"x": 1}, "none": {}},
    }


TYPED = {
    "null": None,
    "true": True,
    "whole": {"number": "9007199254740991"},
    "half": {"number": "0.5"},
    "minusZero": {"number": "-0"},
    "nan": {"number": "NaN"},
    "endless": {"number": "-Infinity"},
    "time": {"timestamp": [int(_TIME.timestamp()), 123_456_000]},
    "text": "grün\n🙂",
    "bytes": {"bytes": "AP8="},
    "reference": {"reference": "users/ana/pets/1"},
    "place": {"geopoint": [-1.5, 179.25]},
    "list": [{"number": "1"}, "a", {"deep": [True, None]}],
    "empty": [],
    "vector": {"vector": [1, -2.5]},
    "map": {"inner": {"x": {"number": "1"}}, "none": {}},
}


def test_a_first_generation_function_gets_every_type(suite, firestore, client) -> None:
    mark, db = suite.log_mark(), client()
    document = db.document("first/1/second/2")
    created = document.set(every_type(db)).update_time
    updated = document.update({"half": 1.5}).update_time
    document.delete()
    assert firestore.drain_events(_LIMIT_S, failures_allowed=False) == 3
    create, update, delete = printed(suite, mark, "first", 3)
    path = "first/1/second/2"
    absent = {"exists": False, "path": path}
    state = {"exists": True, "path": path, "fields": TYPED, "created": moment(created)}
    state["updated"] = moment(created)
    later = {**state, "fields": {**TYPED, "half": {"number": "1.5"}}, "updated": moment(updated)}
    assert [create["before"], create["after"]] == [absent, state]
    assert [update["before"], update["after"]] == [state, later]
    assert [delete["before"], delete["after"]] == [later, absent]
    context = update["context"]
    assert context["params"] == {"id": "1", "kind": "second", "other": "2"}
    assert context["eventType"] == "google.firestore.document.write"
    assert context["resource"] == {
        "service": "firestore.googleapis.com",
        "name": f"projects/{_PROJECT}/databases/(default)/documents/{path}",
    }
    assert datetime.fromisoformat(context["timestamp"]) == updated
    assert len({each["context"]["eventId"] for each in (create, update, delete)}) == 3


def moment(at: Any) -> dict[str, list[int]]:
    return {"timestamp": [int(at.timestamp()), at.nanosecond]}


def test_a_second_generation_function_gets_every_type_and_who_wrote(
    suite, firestore, client
) -> None:
    mark, db = suite.log_mark(), client()
    created = db.document("second/1").set(every_type(db)).update_time
    token = user_token("ana", {}, project_id=_PROJECT, now_s=int(time.time()))
    client(token).document("second/1").update({"map": 1})
    client(None).document("second/1").delete()
    assert firestore.drain_events(_LIMIT_S, failures_allowed=False) == 3
    create, update, delete = printed(suite, mark, "second", 3)
    assert create["before"] == {"exists": False, "path": "second/1"}
    assert create["after"]["fields"] == update["before"]["fields"] == TYPED
    assert create["after"]["created"] == create["after"]["updated"] == moment(created)
    assert delete["before"]["fields"]["map"] == {"number": "1"}
    assert delete["after"] == {"exists": False, "path": "second/1"}
    who = [(each["authType"], each.get("authId")) for each in (create, update, delete)]
    assert who == [("service_account", "admin"), ("unknown", "ana"), ("unauthenticated", None)]
    attributes = create["attributes"]
    assert datetime.fromisoformat(attributes.pop("time")) == created
    assert attributes.pop("id") != update["attributes"]["id"]
    expected = {
        "specversion": "1.0",
        "type": "google.cloud.firestore.document.v1.written.withAuthContext",
        "source": f"//firestore.googleapis.com/projects/{_PROJECT}/databases/(default)",
        "subject": "documents/second/1",
        "project": _PROJECT,
        "database": "(default)",
        "namespace": "(default)",
        "document": "second/1",
        "location": "us-central1",
        "params": {"id": "1"},
    }
    assert {name: attributes.get(name) for name in expected} == expected


def test_an_id_outside_ascii_is_garbled_in_headers_as_in_production(
    suite, firestore, client
) -> None:
    # Source: firebase-functions issue 1459.
    mark = suite.log_mark()
    client().document("second/Helv\u00e9tios").set({})
    assert firestore.drain_events(_LIMIT_S, failures_allowed=False) == 1
    (event,) = printed(suite, mark, "second", 1)
    garbled = "Helv\u00c3\u00a9tios"
    assert event["attributes"]["params"] == {"id": garbled}
    assert event["attributes"]["document"] == f"second/{garbled}"
    assert event["after"]["path"] == "second/Helv\u00e9tios"


def test_a_function_of_a_named_database_hears_of_that_one_only(suite, firestore, client) -> None:
    mark = suite.log_mark()
    client().document("a/1/b/2").set({"n": 1})
    client(database="other").document("a/1/b/2").set({"n": 2})
    assert firestore.drain_events(_LIMIT_S, failures_allowed=False) == 1
    (event,) = printed(suite, mark, "elsewhere", 1)
    assert event["database"] == "other"
    assert event["namespace"] == "(default)"
    assert event["params"] == {"path": "a/1/b/2"}
    assert event["data"]["fields"] == {"n": {"number": "2"}}


def test_a_function_that_asks_for_retries_gets_them_with_one_id(suite, firestore, client) -> None:
    mark = suite.log_mark()
    client().document("again/1").set({})
    assert firestore.drain_events(_LIMIT_S, failures_allowed=False) == 1
    (ids,) = printed(suite, mark, "again", 1)
    assert len(ids) == 3
    assert len(set(ids)) == 1


def test_a_drain_waits_for_what_functions_set_off(firestore, client) -> None:
    db = client()
    db.document("chain/1").set({})
    assert firestore.drain_events(_LIMIT_S, failures_allowed=False) == 4
    assert [each.id for each in db.collection("chain").get()] == ["1", "2", "3", "4"]


def test_events_call_nothing_while_background_triggers_are_disabled(
    suite, firestore, client
) -> None:
    db, hub = client(), Hub(suite.endpoints)
    hub.disable_background_triggers()
    db.document("chain/3").set({})
    assert firestore.drain_events(_LIMIT_S, failures_allowed=False) == 0
    hub.enable_background_triggers()
    assert not db.document("chain/4").get().exists
    db.document("chain/3").delete()
    db.document("chain/3").set({})
    assert firestore.drain_events(_LIMIT_S, failures_allowed=False) == 2
    assert db.document("chain/4").get().exists


def test_scheduled_functions_run_in_order_each_at_its_time(client, clock, scheduled) -> None:
    clock.freeze("2030-01-01T00:00:00Z")
    ran = scheduled.advance(timedelta(hours=9))
    # 06:00 in Los Angeles is 14:00 in UTC, 09:00 in Berlin is 08:00: each has its own zone.
    assert [(run.name, f"{run.at:%H:%M}") for run in ran] == [
        ("often", "02:00"),
        ("daily", "08:00"),
        ("often", "08:00"),
    ]
    assert clock.now() == datetime(2030, 1, 1, 9, tzinfo=UTC)
    runs = {each.id: each.get("at") for each in client().collection("runs").get()}
    assert {name: f"{at:%H:%M:%S}" for name, at in runs.items()} == {
        "often 2030-01-01T02:00:00Z": "02:00:00",
        "daily 2030-01-01T08:00:00Z": "08:00:00",
        "often 2030-01-01T08:00:00Z": "08:00:00",
    }


def test_what_is_due_depends_on_no_step_and_can_be_chosen(clock, scheduled) -> None:
    clock.freeze("2030-01-01T08:00:00Z")
    assert scheduled.due(3600) == []
    assert [run.name for run in scheduled.due(timedelta(days=1), only=["daily"])] == ["daily"]
    with pytest.raises(ConfigError, match="not scheduled functions: nightly") as caught:
        scheduled.due(1, only=["nightly"])
    assert caught.value.fix == "choose from: daily, often"
    with pytest.raises(ValueError, match="more than 1000 runs are due"):
        scheduled.due(timedelta(days=999))


def test_functions_have_the_members_of_admin_firestore_that_deployed_ones_have(
    suite: EmulatorSuite,
) -> None:
    answer = FunctionsEmulator(suite.endpoints).call("members")
    assert answer == {"isTime": True, "members": ["function", "object", "function"]}
