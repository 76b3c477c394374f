"""What makes a scenario cost more than it must: its requests -> findings, and what each would save.

A finding names a pattern that was seen, not one that was guessed from source code. What it would
save is what these very requests would have saved; growth is `growth.py`'s.

Source: Firestore documentation, "Best practices" and "Understand billing"; the ids are the
    harness's own, listed in docs/cost.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.billing.operations import NOTHING, Operations
from harness.billing.usage import RequestUse, by_shape

REPEATED_FROM = 5
"""Requests of one shape in one scenario, from which on it looks like a loop."""
LARGE_LISTENER = 200
"""Documents that a listener loads at once, from which on it counts as large."""
HOT_FROM = 5
"""Writes to one document in one scenario, from which on it is hot; production sustains about one
a second. Source: Firestore documentation, "Best practices", hotspots."""
WASTE_RATIO = 10
WASTE_FROM = 100
"""Index entries scanned for each document returned, and at least so many in all."""
MONOTONIC_FROM = 5
_PAGE = 20

_READS_ONE_BY_ONE = frozenset({"GetDocument", "BatchGetDocuments"})
_WRITES = frozenset({"Commit", "Write", "BatchWrite", "CreateDocument", "UpdateDocument"})
_NUMBER_AT_END = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True, slots=True)
class Finding:
    """One pattern that costs.

    Attributes:
        id: Such as `PERF-05`.
        name: In a few words, such as `the same read in a loop`.
        subject: The request's label, or the document.
        detail: What was seen, with figures.
        change: What to do.
        saves: Of one run of the scenario; nothing where it saves latency or growth only.
        at: Lines that sent the requests, where they are known.
    """

    id: str
    name: str
    subject: str
    detail: str
    change: str
    saves: Operations = NOTHING
    at: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it in a line."""
        by = f" (in {', '.join(self.functions)})" if self.functions else ""
        where = f"{', '.join(self.at)}: " if self.at else ""
        return f"{where}{self.id} {self.name}: {self.subject}{by}: {self.detail}; {self.change}"


def findings_of(requests: Iterable[RequestUse]) -> list[Finding]:
    """Return what costs more than it must in one run of a scenario, the dearest first."""
    seen = [request for request in requests if request.succeeded]
    found = [finding for look in _LOOKS for finding in look(seen)]
    return sorted(
        found,
        key=lambda each: (-each.saves.reads - 3 * each.saves.writes, each.id, each.subject),
    )


def writes_by_document(requests: Iterable[RequestUse]) -> dict[str, int]:
    """Return how often each document was written by requests that succeeded."""
    return Counter(
        document
        for request in requests
        if request.rpc in _WRITES and request.succeeded
        for document in request.documents
    )


def _repeated(requests: Sequence[RequestUse]) -> Iterator[Finding]:
    """N+1: one read for each result of a query."""
    for shape in by_shape(request for request in requests if _is_one_of_many(request)):
        if shape.requests < REPEATED_FROM or shape.label.startswith("Listen"):
            continue
        yield Finding(
            "PERF-05",
            "the same read in a loop (N+1)",
            shape.label,
            f"{shape.requests} requests, {shape.operations.reads:g} reads",
            "copy what is shown into the documents that are listed, or read them with one getAll",
            # Of what is copied, the first read is needed no more either.
            Operations(reads=shape.operations.reads),
            shape.at,
            shape.functions,
        )


def _is_one_of_many(request: RequestUse) -> bool:
    """Whether a request looks like one of a loop: a document, or a query that is not the next page
    of the one before it.
    """
    if request.is_query:
        return " start after" not in request.shape and " start at" not in request.shape
    return request.rpc in _READS_ONE_BY_ONE and request.returned <= 1


def _read_twice(requests: Sequence[RequestUse]) -> Iterator[Finding]:
    reads: dict[tuple[str, str], list[RequestUse]] = {}
    for request in requests:
        if request.rpc in _READS_ONE_BY_ONE:
            for document in request.documents:
                reads.setdefault((request.function or request.caller, document), []).append(request)
    again = {key: group for key, group in reads.items() if len(group) > 1}
    for (who, document), group in again.items():
        yield Finding(
            "PERF-25",
            "the same document read again",
            document,
            f"{len(group)} times by {who}",
            "keep it for the length of the action, or listen to it",
            Operations(reads=len(group) - 1),
            tuple(dict.fromkeys(request.at for request in group if request.at)),
            tuple(dict.fromkeys(request.function for request in group if request.function)),
        )


def _unlimited(requests: Sequence[RequestUse]) -> Iterator[Finding]:
    for shape in by_shape(
        request
        for request in requests
        if request.is_query and request.limit is None and not request.is_aggregation
    ):
        over = max(0, shape.returned - _PAGE * shape.requests)
        yield Finding(
            "PERF-06",
            "a query without a limit",
            shape.label,
            f"{shape.returned} documents now, more with every one that is added",
            "give it a limit, and a cursor for the next page",
            Operations(reads=over),
            shape.at,
            shape.functions,
        )


def _offsets(requests: Sequence[RequestUse]) -> Iterator[Finding]:
    for request in requests:
        if request.skipped:
            yield _of(
                request,
                "PERF-07",
                "pages by offset",
                f"{request.skipped} documents billed and not returned",
                "begin the page with a cursor: startAfter",
                Operations(reads=request.skipped),
            )


def _large_listeners(requests: Sequence[RequestUse]) -> Iterator[Finding]:
    for request in requests:
        if request.rpc == "Listen" and request.returned >= LARGE_LISTENER:
            yield _of(
                request,
                "PERF-09",
                "a listener on a large set",
                f"{request.returned} documents at once, and one read for each change and client",
                "listen to fewer, or to a document that sums them up",
                Operations(reads=request.returned - _PAGE),
            )


def _multiple_ranges(requests: Sequence[RequestUse]) -> Iterator[Finding]:
    for request in requests:
        if request.is_query and request.entries_billed >= WASTE_FROM and not request.is_aggregation:
            yield _of(
                request,
                "PERF-17",
                "index entries billed",
                f"{request.entries_billed:,} entries for {request.returned} documents, since the "
                "query has two ranges",
                "order by the range that leaves fewer first, and index it so",
                Operations(reads=max(0, request.operations.reads - request.returned)),
            )


def _waste(requests: Sequence[RequestUse]) -> Iterator[Finding]:
    for request in requests:
        if (
            request.is_query
            and not request.is_aggregation
            and request.index_entries >= WASTE_FROM
            and request.index_entries >= WASTE_RATIO * max(1, request.returned + request.skipped)
            and not request.entries_billed
        ):
            yield _of(
                request,
                "PERF-18",
                "a scan of much more than it returns",
                f"{request.index_entries:,} index entries for {request.returned} documents: slow, "
                "though not billed",
                "give it a composite index of its own: harness indexes suggest",
            )


def _writes_without_change(requests: Sequence[RequestUse]) -> Iterator[Finding]:
    for request in requests:
        if request.writes_without_change:
            yield _of(
                request,
                "PERF-29",
                "writes that change nothing",
                f"{request.writes_without_change} billed, no effect",
                "compare before writing",
                Operations(writes=request.writes_without_change),
            )


def _hot_documents(requests: Sequence[RequestUse]) -> Iterator[Finding]:
    for document, times in writes_by_document(requests).items():
        if times >= HOT_FROM:
            yield Finding(
                "PERF-03",
                "a hot document",
                document,
                f"{times} writes in one run; about one a second is sustained",
                "spread it over shards, or write once at the end",
                Operations(writes=times - 1),
            )


def _monotonic_ids(requests: Sequence[RequestUse]) -> Iterator[Finding]:
    written: dict[str, dict[str, None]] = {}
    for request in requests:
        if request.rpc in _WRITES:
            for document in request.documents:
                collection, _, name = document.rpartition("/")
                written.setdefault(collection, {})[name] = None
    for collection, names in written.items():
        if len(names) >= MONOTONIC_FROM and _ascend(list(names)):
            yield Finding(
                "PERF-01",
                "document ids that ascend",
                collection,
                f"{len(names)} ids in order: {next(iter(names))} … {list(names)[-1]}",
                "let Firestore make the ids: all writes go to one key range otherwise",
            )


def _ascend(names: Sequence[str]) -> bool:
    numbers = [int(match[1]) for name in names if (match := _NUMBER_AT_END.search(name))]
    return len(numbers) == len(names) and all(a < b for a, b in pairwise(numbers))


def _rules_reads(requests: Sequence[RequestUse]) -> Iterator[Finding]:
    looking = [request for request in requests if request.rules_reads]
    if looking:
        reads = sum(request.rules_reads for request in looking)
        yield Finding(
            "PERF-13",
            "documents that rules look up",
            ", ".join(dict.fromkeys(request.collection for request in looking)),
            f"{reads} {'read' if reads == 1 else 'reads'} by get() and exists()",
            "put the role into the user's claims where it may be some minutes old",
            Operations(reads=reads),
        )


def _of(
    request: RequestUse,
    id: str,
    name: str,
    detail: str,
    change: str,
    saves: Operations = NOTHING,
) -> Finding:
    return Finding(
        id,
        name,
        request.label,
        detail,
        change,
        saves,
        (request.at,) if request.at else (),
        (request.function,) if request.function else (),
    )


_LOOKS: tuple[Callable[[Sequence[RequestUse]], Iterator[Finding]], ...] = (
    _repeated,
    _read_twice,
    _unlimited,
    _offsets,
    _large_listeners,
    _multiple_ranges,
    _waste,
    _writes_without_change,
    _hot_documents,
    _monotonic_ids,
    _rules_reads,
)
