"""The Firestore emulator's control routes, for one project's database: those that every Firestore
emulator has, and ours.

What only ours has is *not verified* on another one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote

import pytest
import requests

from harness.emulators.loopback import Loopback, expect_ok
from harness.pytest_plugin.outcome import not_verified
from harness.source import SourceText

_NAME = "Firestore emulator"
# A client's connection may be busy while it is closed; the server itself answers at once.
_ANSWER_S = 30.0
# Before a function's name: `europe-west1-`. Source: Cloud Functions locations.
_REGION = re.compile(r"^[a-z]+-[a-z]+\d+-")


@dataclass(frozen=True, slots=True)
class EventCounts:
    """What became of function events since the emulator started."""

    is_drained: bool
    dispatched: int
    delivered: int
    failed: int
    last_failure: str | None = None
    open: tuple[str, ...] = ()
    open_count: int = 0


class FirestoreAdmin:
    """Control of one database."""

    def __init__(self, address: str, project_id: str, database: str) -> None:
        self._connection = Loopback(_NAME, address)
        self._address, self._project_id, self._database = address, project_id, database
        self._project = quote(project_id, safe="")
        self._path = f"projects/{self._project}/databases/{quote(database, safe='()')}"
        self._delivered_before = 0
        self._dispatched_before = 0
        self._failed_before = 0

    def clear(self) -> None:
        """Delete every document. The embedded Firestore calls no function for that; others may.

        Source: Emulator Suite guide, "Clear your database between tests".
        """
        path = f"/emulator/v1/{self._path}/documents"
        response = self._connection.request(
            "DELETE", path, params={"functions": "off"}, timeout_s=_ANSWER_S
        )
        expect_ok(_NAME, response)

    def begin(self) -> None:
        """Make ready for a check: no documents in any database, and no faults or other time that a
        check which was killed has left.
        """
        self.clear()
        for database in self._other_databases():
            FirestoreAdmin(self._address, self._project_id, database).clear()
        for control in ("faults", "clock"):
            # Another Firestore knows neither.
            self._connection.request("DELETE", self._own(control), timeout_s=_ANSWER_S)

    def _other_databases(self) -> list[str]:
        """Return the project's other databases, where the emulator tells."""
        response = self._connection.request("GET", "/harness/v1/info", timeout_s=_ANSWER_S)
        prefix = f"projects/{self._project_id}/databases/"
        names = response.json()["databases"] if response.ok else []
        found = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        return [database for database in found if database != self._database]

    def sow(self, source: SourceText) -> None:
        """Put the documents of a seed file into the project's databases; no function hears of it.

        The file has been read and found good.
        """
        __tracebackhide__ = True
        response = self._connection.request(
            "POST",
            self._own("seed"),
            json={"name": source.file_name, "text": source.text},
            timeout_s=_ANSWER_S,
        )
        if response.status_code == 404:
            self._refuse("take a seed file")
        expect_ok(_NAME, response)

    def settle(self, timeout_s: float) -> None:
        """Wait for the events of what ran before, where the emulator can tell; the next count
        begins after them.
        """
        counts = self._drain(timeout_s)
        if counts is not None:
            self._delivered_before = counts.delivered
            self._dispatched_before = counts.dispatched
            self._failed_before = counts.failed

    def wait_for_events(self, timeout_s: float) -> None:
        """Wait until every event was handled or the limit has come, where the emulator can tell."""
        self._drain(timeout_s)

    def drain_events(
        self,
        timeout_s: float,
        *,
        failures_allowed: bool,
        thrown: Callable[[], str | None] = lambda: None,
    ) -> int:
        """Wait until every event was delivered and its function has returned; return how many since
        the last time.

        The check fails when the limit comes first, and when a function failed: in production its
        event would be lost, or tried again and again.

        Args:
            thrown: Returns what functions have logged of errors, if that is known.
        """
        __tracebackhide__ = True
        counts = self._drain(timeout_s)
        if counts is None:
            self._refuse("tell when all events are delivered")
        if not counts.is_drained:
            pytest.fail(_still_open(counts, timeout_s))
        failed = counts.failed - self._failed_before
        self._failed_before = counts.failed
        if failed and not failures_allowed:
            said = thrown() or counts.last_failure
            pytest.fail(
                f"{failed} {'event was' if failed == 1 else 'events were'} not handled: a function"
                f" threw, or could not be called{f': {said}' if said else ''}"
                " (drain_events(failures_allowed=True) where that is meant)"
            )
        delivered = counts.delivered - self._delivered_before
        self._delivered_before = counts.delivered
        return delivered

    def redeliver_events(self) -> int:
        """Deliver the events since `settle` once more, with the same ids; return how many."""
        __tracebackhide__ = True
        response = self._connection.request(
            "POST",
            "/harness/v1/events:redeliver",
            params={"since": str(self._dispatched_before)},
            timeout_s=_ANSWER_S,
        )
        if response.status_code == 404:
            self._refuse("deliver events a second time")
        answer: dict[str, int] = expect_ok(_NAME, response)
        return answer["redelivered"]

    def mute_events(self, *, muted: bool) -> bool:
        """Let commits of this project be no events, or events again; False where that cannot be."""
        verb = "mute" if muted else "unmute"
        path = f"/harness/v1/projects/{self._project}/events:{verb}"
        response = self._connection.request("POST", path, timeout_s=_ANSWER_S)
        if response.status_code == 404:
            return False
        expect_ok(_NAME, response)
        return True

    def event_runs(self) -> Counter[str]:
        """Return how often each function was given an event since the emulator started, over all
        projects, by its name; nothing where that cannot be told.
        """
        response = self._connection.request("GET", "/harness/v1/info", timeout_s=_ANSWER_S)
        runs = Counter[str]()
        if response.ok:
            for function, times in response.json()["events"]["runs"].items():
                runs[_REGION.sub("", function)] += times
        return runs

    def requests_since(self, sequence: int | None) -> dict[str, Any]:
        """Return what was asked of this database: `{"lastSequence": 7, "truncated": false,
        "requests": [...]}`.

        Args:
            sequence: Only what came after; None: no requests, only the last sequence number.
        """
        __tracebackhide__ = True
        since = _AFTER_ALL if sequence is None else sequence
        path = f"/harness/v1/{self._path}/requests"
        response = self._connection.request(
            "GET", path, params={"since": str(since)}, timeout_s=_ANSWER_S
        )
        if response.status_code == 404:
            self._refuse("say what a request costs")
        answer: dict[str, Any] = expect_ok(_NAME, response)
        return answer

    def add_fault(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        """Let requests go wrong from now on; return the rule with its `id` and what it `says`.

        Raises:
            ValueError: It is no rule.
        """
        __tracebackhide__ = True
        response = self._connection.request(
            "POST", self._own("faults"), json=dict(rule), timeout_s=_ANSWER_S
        )
        if response.status_code == 404:
            self._refuse("inject faults")
        if response.status_code == 400:
            raise ValueError(response.json()["error"]["message"])
        answer: dict[str, Any] = expect_ok(_NAME, response)
        return answer

    def faults_fired(self) -> dict[str, int]:
        """Return how many requests each fault has struck, by its id."""
        response = self._connection.request("GET", self._own("faults"), timeout_s=_ANSWER_S)
        return {each["id"]: each["fired"] for each in expect_ok(_NAME, response)["faults"]}

    def remove_fault(self, fault_id: str) -> None:
        """Take one fault away."""
        path = self._own(f"faults/{fault_id}")
        expect_ok(_NAME, self._connection.request("DELETE", path, timeout_s=_ANSWER_S))

    def remove_faults(self) -> None:
        """Take all faults of the project away."""
        response = self._connection.request("DELETE", self._own("faults"), timeout_s=_ANSWER_S)
        expect_ok(_NAME, response)

    def clock(self) -> dict[str, Any]:
        """Return what the project's clock shows: `{"now": "2030-…Z", "frozen": true, …}`."""
        __tracebackhide__ = True
        return self._ask_clock("GET", "clock", None)

    def set_clock(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Set the project's clock to `now`, and stop it or let it go; return what it shows."""
        return self._ask_clock("PUT", "clock", content)

    def advance_clock(self, seconds: float) -> dict[str, Any]:
        """Put the project's clock forward; return what it shows."""
        return self._ask_clock("POST", "clock:advance", {"seconds": seconds})

    def reset_clock(self) -> dict[str, Any]:
        """Let the project's clock show the real time; return what it shows."""
        return self._ask_clock("DELETE", "clock", None)

    def expire_documents(self) -> int:
        """Delete the documents that have expired by a TTL policy; return how many.

        Raises:
            ValueError: No field has a TTL policy.
        """
        __tracebackhide__ = True
        response = self._connection.request(
            "POST", f"/harness/v1/{self._path}/documents:expire", json={}, timeout_s=_ANSWER_S
        )
        if response.status_code == 404:
            self._refuse("delete what has expired")
        if response.status_code == 400:
            raise ValueError(response.json()["error"]["message"])
        deleted: int = expect_ok(_NAME, response)["deleted"]
        return deleted

    def _ask_clock(
        self, method: str, path: str, content: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        __tracebackhide__ = True
        response = self._connection.request(
            method, self._own(path), json=content, timeout_s=_ANSWER_S
        )
        if response.status_code == 404:
            self._refuse("be given another time")
        if response.status_code == 400:
            raise ValueError(response.json()["error"]["message"])
        answer: dict[str, Any] = expect_ok(_NAME, response)
        return answer

    def save_snapshot(self, name: str) -> None:
        """Keep the documents of the database under a name."""
        self._snapshot("POST", name)

    def restore_snapshot(self, name: str) -> None:
        """Bring back the documents of a name, and no others."""
        self._snapshot("POST", name, ":restore")

    def delete_snapshot(self, name: str) -> None:
        """Forget what was kept under a name."""
        self._snapshot("DELETE", name)

    def _snapshot(self, method: str, name: str, verb: str = "") -> None:
        __tracebackhide__ = True
        path = f"/harness/v1/{self._path}/snapshots/{quote(name, safe='')}{verb}"
        response = self._connection.request(method, path, timeout_s=_ANSWER_S)
        if response.status_code == 404 and method == "POST" and not verb:
            self._refuse("keep a snapshot")
        expect_ok(_NAME, response)

    def start_recording(self) -> bool:
        """Have the project's requests kept from now on; False where that cannot be."""
        return self._recording("start").status_code == 200

    def take_requests(self) -> str:
        """Return what was asked since the start or the last time: lines of `recorded_json`."""
        response = self._recording("take")
        return response.text if response.ok else ""

    def ruleset(self, digest: str) -> SourceText | None:
        """Return rules that decided requests which were taken."""
        path = f"/harness/v1/projects/{self._project}/rulesets/{digest}"
        response = self._connection.request("GET", path, timeout_s=_ANSWER_S)
        if not response.ok:
            return None
        answer = response.json()
        return SourceText(answer["name"], answer["content"])

    def _recording(self, verb: str) -> requests.Response:
        path = f"/harness/v1/projects/{self._project}/recording:{verb}"
        return self._connection.request("POST", path, timeout_s=_ANSWER_S)

    def _own(self, path: str) -> str:
        """Return one of our own routes of this project."""
        return f"/harness/v1/projects/{self._project}/{path}"

    def _drain(self, timeout_s: float) -> EventCounts | None:
        response = self._connection.request(
            "POST",
            "/harness/v1/events:drain",
            params={"timeout_s": f"{timeout_s:g}"},
            timeout_s=timeout_s + _ANSWER_S,
        )
        if response.status_code == 404:
            return None
        answer = expect_ok(_NAME, response)
        return EventCounts(
            answer["drained"],
            answer["dispatched"],
            answer["delivered"],
            answer["failed"],
            answer.get("lastFailure"),
            tuple(answer["open"]),
            answer["openCount"],
        )

    def _refuse(self, what: str) -> NoReturn:
        __tracebackhide__ = True
        not_verified(
            f"this Firestore cannot {what}: only the embedded one can (--firestore embedded)"
        )


_AFTER_ALL = 10**15


def _still_open(counts: EventCounts, timeout_s: float) -> str:
    events = "1 event is" if counts.open_count == 1 else f"{counts.open_count} events are"
    more = counts.open_count - len(counts.open)
    # The first stands in the first line, which is all that a report has room for.
    first, *others = counts.open or ("which is not known",)
    lines = [*others, *([f"... and {more} more"] if more else [])]
    return "\n  ".join([f"{events} not handled after {timeout_s:g} s: {first}", *lines])
