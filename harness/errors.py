"""The two kinds of error that leave this package on purpose.

`HarnessError` is for the user: it says what is wrong, where, and what to do. `StatusError` is for
a client of the embedded Firestore: it becomes a gRPC status or its HTTP equivalent. What the
system under test says (a denial, a missing index, a failed check) is neither: it is a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from harness.source import SourcePosition


class HarnessError(Exception):
    """Something the user can put right. Printed by the command line without a traceback.

    Args:
        problem: What was found and, where it helps, what was expected. One line, no full stop.
        fix: What to do about it. One line.
        at: Where in the user's file it was found, if it was in a file.
    """

    exit_status = 2

    def __init__(self, problem: str, *, fix: str, at: SourcePosition | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.at = at

    def __str__(self) -> str:
        where = f"{self.at}: " if self.at else ""
        return f"{where}{self.problem}\n  fix: {self.fix}"


class WorkflowError(HarnessError):
    """The workflow document cannot be read, written, or does not hold what was asked for."""


class RulesSyntaxError(HarnessError):
    """A ruleset that does not load."""


class ConfigError(HarnessError):
    """A configuration file (firebase.json, harness.yaml, the indexes) that cannot be used."""


class EnvironmentLacking(HarnessError):
    """The machine lacks something (Node, a free port); `fix` names the command that mends it."""

    exit_status = 3


class HarnessErrors(HarnessError):
    """Several problems of one file, reported in one go. Exit status: that of the first."""

    def __init__(self, errors: Sequence[HarnessError]) -> None:
        if not errors:
            raise ValueError("a group of errors needs at least one")
        first = errors[0]
        super().__init__(first.problem, fix=first.fix, at=first.at)
        self.errors = tuple(errors)
        self.exit_status = first.exit_status

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def joined(errors: Sequence[HarnessError]) -> HarnessError:
    """Return one error for all: the only one itself, several as a group."""
    return errors[0] if len(errors) == 1 else HarnessErrors(errors)


class StatusCode(IntEnum):
    """gRPC status codes, by their numbers on the wire.

    Source: google/rpc/code.proto.
    """

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class StatusError(Exception):
    """A request that must fail with a gRPC status. Answered only in `server/`."""

    def __init__(self, code: StatusCode, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message
