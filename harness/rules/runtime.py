"""What exists while a condition is evaluated: errors, the document source, access limits, the
budget, the context.

How an expression is evaluated is decided in the compiler; this module holds what its closures work
with.

Errors of an expression are Python exceptions: a condition that meets none pays nothing for them,
and `&&`, `||` and `let` are the only places that catch them. `RulesError` can be absorbed;
`EvaluationStopped` cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from harness.rules import limits
from harness.rules.values import (
    KIND_NAMES,
    Constraint,
    MapDiff,
    PartialMap,
    Placeholder,
    RulesDuration,
    RulesLatLng,
    RulesPath,
    RulesSet,
    RulesTimestamp,
    RulesValue,
    kind_name,
)
from harness.source import Span

if TYPE_CHECKING:
    from harness.rules.request import RulesRequest

__all__ = [
    "KIND_NAMES",
    "NO_DOCUMENTS",
    "UNKNOWN_SEGMENT",
    "UNRESOLVED",
    "AccessLog",
    "Constraint",
    "DocumentSource",
    "EvaluationContext",
    "EvaluationStopped",
    "LetFailure",
    "MapDiff",
    "PartialMap",
    "RulesDuration",
    "RulesError",
    "RulesLatLng",
    "RulesPath",
    "RulesSet",
    "RulesTimestamp",
    "RulesValue",
    "Unresolved",
    "document_resource",
    "located",
    "not_bool",
    "null_value",
]


# --- errors -----------------------------------------------------------------------------------


class RulesError(Exception):
    """An expression without a value. `&&` and `||` may absorb it.

    Args:
        text: The cause as the official runtime words it, with its full stop.
        span: The expression that failed; the innermost call site fills it in when the raiser does
            not know it.
    """

    def __init__(self, text: str, span: Span | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.span = span


class Unresolved(RulesError):
    """The emulator's first pass met an input that it had not loaded yet."""


class LetFailure:
    """Takes a let's place in the frame when it has no value; reading it raises `error`."""

    __slots__ = ("error",)

    def __init__(self, error: RulesError) -> None:
        self.error = error


class EvaluationStopped(Exception):
    """A limit was passed: no operator absorbs it and no other rule is tried."""

    def __init__(self, text: str, span: Span | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.span = span


def bounded(value: RulesValue) -> RulesValue:
    """Return what an expression has made, unless it is too large: text, bytes, a path, list or map.

    Lists share what they hold, so that `let b = [a, a]` over and over is small in memory and
    endless for whoever walks it.

    Raises:
        EvaluationStopped: It is.
    """
    if isinstance(value, (str, bytes)):
        if len(value) > limits.TEXT_LENGTH:
            raise EvaluationStopped(limits.MEMORY_TEXT)
        return value
    if isinstance(value, RulesPath):
        # By its text, which `string(path)` gives.
        length = len(value.segments)
        length += sum(len(each) for each in value.segments if isinstance(each, str))
        if length > limits.PATH_LENGTH:
            raise EvaluationStopped(limits.MEMORY_TEXT)
        return value
    elements = depth = 0
    level: list[RulesValue] = [value]
    while level:
        depth += 1
        below: list[RulesValue] = []
        for container in level:
            if isinstance(container, (list, tuple, dict)):
                elements += len(container)
                if elements > limits.ELEMENTS or depth > limits.VALUE_DEPTH:
                    raise EvaluationStopped(limits.MEMORY_TEXT)
                inner = container.values() if isinstance(container, dict) else container
                below.extend(each for each in inner if type(each) in _CONTAINERS)
        level = below
    return value


_CONTAINERS = frozenset({list, tuple, dict})


def located(error: RulesError, span: Span) -> RulesError:
    """Say where an error happened, if nothing inside has said it more precisely."""
    if error.span is None:
        error.span = span
    return error


NULL_VALUE: Final = "Null value error."


def null_value(span: Span | None = None) -> RulesError:
    """Make the error for a member, index or call on null, and for a variable that has no value."""
    return RulesError(NULL_VALUE, span)


def not_bool(value: RulesValue, span: Span | None = None) -> RulesError:
    """Make the error for a value in a boolean position."""
    return RulesError(f"Type error. Received: [{kind_name(value)}] Expected: [bool].", span)


# --- placeholders for what a request does not say ---------------------------------------------


class _UnknownSegment(str):
    """The segment of a list's path that stands for any document. A str, so that path tuples stay
    tuples of str.
    """

    __slots__ = ()


UNKNOWN_SEGMENT: Final = _UnknownSegment("*")


class _Unresolved(dict[str, "RulesValue"]):
    """Stands for `resource` in the first pass."""


UNRESOLVED: Final = _Unresolved()


# --- documents --------------------------------------------------------------------------------


class DocumentSource(Protocol):
    """Where `get`, `exists`, `getAfter` and `existsAfter` look.

    Paths are full: `("databases", "(default)", "documents", "users", "ana")`. None means that there
    is no such document.
    """

    def get(self, path: tuple[str, ...]) -> Mapping[str, RulesValue] | None:
        """Return a document's fields as they are before the request."""

    def get_after(self, path: tuple[str, ...]) -> Mapping[str, RulesValue] | None:
        """Return a document's fields as they will be when the whole commit is done."""


class _NoDocuments:
    def get(self, path: tuple[str, ...]) -> Mapping[str, RulesValue] | None:
        return None

    def get_after(self, path: tuple[str, ...]) -> Mapping[str, RulesValue] | None:
        return None


NO_DOCUMENTS: Final[DocumentSource] = _NoDocuments()


class AccessLog:
    """The document accesses of one request, each document counted once.

    Share one over the writes of a commit, and over the documents of a batch get: the limit of 20 is
    theirs together, while each of them may make 10.

    Args:
        limit: How many distinct accesses the request may make; `limits.BATCH_ACCESS_CALLS` for
            several documents.
    """

    __slots__ = ("_results", "documents", "limit")

    def __init__(self, limit: int = limits.SINGLE_REQUEST_ACCESS_CALLS) -> None:
        self.limit = limit
        self._results: dict[tuple[bool, tuple[str, ...]], Mapping[str, RulesValue] | None] = {}
        self.documents: dict[tuple[str, ...], None] = {}

    @property
    def results(self) -> Mapping[tuple[bool, tuple[str, ...]], Mapping[str, RulesValue] | None]:
        """What was found, by whether the state after the commit was asked for, and path."""
        return self._results

    def look_up(
        self, source: DocumentSource, path: tuple[str, ...], *, after: bool
    ) -> Mapping[str, RulesValue] | None:
        """Return a document's fields, asking the source only the first time.

        Raises:
            EvaluationStopped: One access more than the request may make.
        """
        key = (after, path)
        results = self._results
        if key in results:
            return results[key]
        if len(results) >= self.limit:
            raise EvaluationStopped(limits.access_text(self.limit))
        self.documents[path] = None
        found = source.get_after(path) if after else source.get(path)
        results[key] = found
        return found


# --- the context ------------------------------------------------------------------------------


def document_resource(data: Mapping[str, RulesValue], path: RulesPath) -> dict[str, RulesValue]:
    """Return a document as the map that `resource` and `get()` give."""
    fields = data if isinstance(data, dict) else dict(data)
    last = path.segments[-1]
    return {
        "data": fields,
        "id": last.name if isinstance(last, Placeholder) else last,
        "__name__": path,
    }


_NO_FRAME: Final[list[Any]] = []


class EvaluationContext:
    """What the closures of a ruleset read, for one evaluation of one request.

    Attributes:
        request: The request.
        path: Its segments, with `UNKNOWN_SEGMENT` where a list leaves them open.
        shift: How many segments beyond its pattern's length the statement's path has; see
            `scope.py`.
        resource: As in the request, or a list's partial view, or `UNRESOLVED`.
        frame: Arguments and `let` values of the function that runs.
        accesses: Distinct document accesses of this decision.
        remaining: Evaluations left; only the metered compilation touches it.
    """

    __slots__ = (
        "_request_map",
        "accesses",
        "documents",
        "frame",
        "log",
        "path",
        "remaining",
        "request",
        "resource",
        "shift",
    )

    remaining: int

    def __init__(
        self,
        request: RulesRequest,
        path: tuple[str, ...],
        resource: object,
        documents: DocumentSource,
        log: AccessLog | None,
    ) -> None:
        self.request = request
        self.path = path
        self.resource = resource
        self.documents = documents
        self.log = log
        self.shift = 0
        self.frame: list[Any] = _NO_FRAME
        self.accesses: dict[tuple[bool, tuple[str, ...]], None] | None = None
        self._request_map: dict[str, RulesValue] | None = None
        # `remaining` is set by whoever runs a metered compilation.

    def look_up(
        self, path: tuple[str, ...], *, after: bool, limit: int
    ) -> Mapping[str, RulesValue] | None:
        """Return a document's fields, counting the access for this decision and for the request's
        log.

        Raises:
            EvaluationStopped: One access more than allowed.
        """
        accesses = self.accesses
        if accesses is None:
            accesses = self.accesses = {}
        key = (after, path)
        if key not in accesses:
            if len(accesses) >= limit:
                raise EvaluationStopped(limits.access_text(limit))
            accesses[key] = None
        log = self.log
        if log is None:
            log = self.log = AccessLog(limit)
        return log.look_up(self.documents, path, after=after)

    def request_map(self) -> dict[str, RulesValue]:
        """Return `request` as a map, for the rare rule that treats it as one."""
        if self._request_map is None:
            from harness.rules.request_values import request_map

            self._request_map = request_map(self)
        return self._request_map
