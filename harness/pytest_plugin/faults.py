"""Faults that a check injects into its Firestore, and what is said of them in its evidence.

What can go wrong, and for whom, is in `backend/faults.py`; a check that has injected a fault which
never struck has shown nothing, and fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from harness.pytest_plugin.admin import FirestoreAdmin
from harness.pytest_plugin.recorder import Findings

if TYPE_CHECKING:
    from harness.emulators.auth import AuthUser

FIRED_METRIC = "faults_fired"


@dataclass(slots=True)
class InjectedFault:
    """A fault that waits for its requests.

    Args:
        says: What becomes of which requests, in words.
        must_fire: Whether the check fails when it has struck no request by the end.
        has_end: Whether the number of requests that it strikes is limited.
    """

    id: str
    says: str
    must_fire: bool
    has_end: bool
    _firestore: FirestoreAdmin
    _fired_before: int | None = None

    @property
    def fired(self) -> int:
        """How many requests it has struck so far."""
        if self._fired_before is not None:
            return self._fired_before
        return self._firestore.faults_fired().get(self.id, 0)

    def remove(self) -> None:
        """Let all go well again before the check ends."""
        if self._fired_before is None:
            self._fired_before = self.fired
            self._firestore.remove_fault(self.id)


class InjectFault(Protocol):
    """How `inject_fault` is called."""

    def __call__(
        self,
        rpc: str | Sequence[str] | None = None,
        status: str | None = None,
        *,
        collection: str | None = None,
        caller: str | AuthUser | None = None,
        label: str | None = None,
        times: int | None = 1,
        skip: int = 0,
        every: int = 1,
        delay_s: float = 0.0,
        lost_response: bool = False,
        cut_after: int | None = None,
        message: str | None = None,
        must_fire: bool = True,
    ) -> InjectedFault:
        """Let requests go wrong from now on, until the check ends.

        Args:
            rpc: Such as "Commit" or ["RunQuery", "Listen"]; None: any.
            status: What the client gets, such as "ABORTED". Without one, UNAVAILABLE; with a
                `delay_s` none: the request is only late.
            collection: Such as "orders" or "users/*/tasks"; `**` for any number of segments.
            caller: A uid, an AuthUser, "admin" or "anonymous".
            label: What the client calls itself in the header x-harness-caller.
            times: How many requests; None: no end.
            skip: Matching requests that are let through first.
            every: Of those after, each so-manieth.
            lost_response: The request is carried out, and the client is told that it failed.
            cut_after: A stream breaks off after so many messages.
            must_fire: Fail the check if no request was struck by its end.
        """


@contextmanager
def fault_injector(firestore: FirestoreAdmin, findings: Findings) -> Iterator[InjectFault]:
    """Give a check its `inject_fault`, and take every fault away afterwards."""
    injected: list[InjectedFault] = []

    def inject(
        rpc: str | Sequence[str] | None = None,
        status: str | None = None,
        *,
        collection: str | None = None,
        caller: str | AuthUser | None = None,
        label: str | None = None,
        times: int | None = 1,
        skip: int = 0,
        every: int = 1,
        delay_s: float = 0.0,
        lost_response: bool = False,
        cut_after: int | None = None,
        message: str | None = None,
        must_fire: bool = True,
    ) -> InjectedFault:
        __tracebackhide__ = True
        if lost_response and cut_after is not None:
            raise ValueError("a lost response is cut_after=0: give one of the two")
        if status is None and (lost_response or cut_after is not None or not delay_s):
            status = "UNAVAILABLE"
        rule: dict[str, Any] = {
            "rpc": rpc if rpc is None or isinstance(rpc, str) else list(rpc),
            "status": status,
            "collection": collection,
            "caller": _caller(caller),
            "label": label,
            "skip": skip,
            "every": every,
            "times": times,
            "delayMs": delay_s * 1000,
            "cutAfter": 0 if lost_response else cut_after,
            "message": message,
        }
        answer = firestore.add_fault(rule)
        fault = InjectedFault(answer["id"], answer["says"], must_fire, times is not None, firestore)
        injected.append(fault)
        return fault

    try:
        yield inject
    finally:
        struck = {fault.id: fault.fired for fault in injected}
        if injected:
            firestore.remove_faults()
    _report(injected, struck, findings)


def _report(injected: list[InjectedFault], struck: dict[str, int], findings: Findings) -> None:
    """Put what happened among the findings; how often only where that is limited, so that the same
    inputs give it again.
    """
    for fault in injected:
        if struck[fault.id]:
            times = f", {_times(struck[fault.id])}" if fault.has_end else ""
            findings.add_proof(f"fault injected: {fault.says}{times}")
    if injected and all(fault.has_end for fault in injected):
        findings.add_metric(FIRED_METRIC, sum(struck.values()))
    unused = [fault.says for fault in injected if fault.must_fire and not struck[fault.id]]
    if unused:
        pytest.fail(
            f"a fault was injected that no request has met: {'; '.join(unused)}\n"
            "  fix: correct what it is about, or inject it with must_fire=False",
            pytrace=False,
        )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _caller(who: str | AuthUser | None) -> str | None:
    if who is None or who in ("admin", "anonymous"):
        return who
    uid = who if isinstance(who, str) else who.uid
    return uid if uid.startswith("user:") else f"user:{uid}"
