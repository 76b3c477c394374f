"""One request in one line."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backend.auth import ADMIN, ANONYMOUS, Caller, CallerKind
from harness.backend.metering import RequestRecord, RuleVerdict, Tally
from harness.backend.request_line import request_line
from harness.errors import StatusCode

NOON = 1_896_091_200_123_456  # 2030-01-31T12:00:00.123456Z
ANA = Caller(CallerKind.USER, "ana", {})


def record(rpc: str, caller: Caller, **more: Any) -> RequestRecord:
    return RequestRecord(rpc, caller, NOON, latency_ms=0.42, **more)


DENIED = RuleVerdict("get", "users/bob", False, None, ((7, 19, "false"), (9, 4, "Null value")))


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (
            record(
                "RunQuery",
                ANA,
                place="orders",
                query="orders where status == ? limit 20",
                verdicts=[RuleVerdict("list", "orders", True, 12)],
                tally=Tally(reads=20, rules_reads=1),
            ),
            "12:00:00.123  RunQuery           user:ana  orders where status == ? limit 20  "
            "allow L12  20 reads + 1 read by rules  0.4 ms  OK",
        ),
        (
            record("Commit", ADMIN, place="users/*", tally=Tally(writes=1, deletes=2)),
            "12:00:00.123  Commit             admin  users/*  rules skipped  "
            "1 write + 2 deletes  0.4 ms  OK",
        ),
        (
            record(
                "BatchGetDocuments",
                Caller(CallerKind.USER, "ana", {}, "app"),
                place="users/*",
                verdicts=[RuleVerdict("get", "users/ana", True, 5), DENIED],
                code=StatusCode.PERMISSION_DENIED,
                message="\nfalse for 'get' @ L7,\tNull value error. for 'get' @ L9",
            ),
            "12:00:00.123  BatchGetDocuments  user:ana (app)  users/*  deny get L7, L9  free  "
            "0.4 ms  PERMISSION_DENIED  false for 'get' @ L7, Null value error. for 'get' @ L9",
        ),
        (
            record("BeginTransaction", ANONYMOUS),
            "12:00:00.123  BeginTransaction   anonymous  -  no rules  free  0.4 ms  OK",
        ),
        (
            record(
                "Commit",
                ADMIN,
                place="orders/*",
                code=StatusCode.ABORTED,
                message="fault injected",
                fault="Commit: refused with ABORTED",
            ),
            "12:00:00.123  Commit             admin  orders/*  rules skipped  free  0.4 ms  "
            "ABORTED  [fault: Commit: refused with ABORTED]",
        ),
        (
            record("Commit", Caller(CallerKind.USER, "\x1b[2J\r\nx\u202eé", {}), place="c/*"),
            "12:00:00.123  Commit             user:\\x1b[2J\\r\\nx\\u202eé  c/*  no rules  free  "
            "0.4 ms  OK",
        ),
    ],
    ids=["query", "admin", "denied", "nothing", "fault", "hostile names"],
)
def test_a_line_says_who_asked_what_and_what_came_of_it(request_: RequestRecord, line: str) -> None:
    assert request_line(request_) == line


def test_a_line_is_cut() -> None:
    line = request_line(record("Commit", ADMIN, place="c" * 5000))
    assert len(line) == 401
    assert line.endswith("c…")
