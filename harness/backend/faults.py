"""Faults on demand: which requests of a project shall be late or fail, and how.

A rule says which requests it is about, which of those it strikes, and what becomes of them. Decided
here, from what a request is known by; done in `server/fault_injection.py`. Nothing here waits,
fails or counts by itself: a plan is asked once for each request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from harness.backend.auth import Caller
from harness.errors import StatusCode, StatusError

ONE_ANSWER: Final = frozenset(
    {
        "GetDocument",
        "ListDocuments",
        "CreateDocument",
        "UpdateDocument",
        "DeleteDocument",
        "BeginTransaction",
        "Commit",
        "Rollback",
        "PartitionQuery",
        "ListCollectionIds",
        "BatchWrite",
    }
)
STREAMED: Final = frozenset(
    {"BatchGetDocuments", "RunQuery", "RunAggregationQuery", "Listen", "Write"}
)
"""Methods whose answer is several messages, so that it can break off between two."""

MAX_RULES: Final = 100
MAX_DELAY_MS: Final = 600_000
_MAX_COUNT: Final = 1_000_000_000

ANY_ID: Final = None
"""In the place of a segment: the request reaches every id."""

Segments: TypeAlias = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Touched:
    """What a request names: a document (`users`, `ana`), a collection, or a collection group.

    Args:
        segments: The path; of a group only the collection id, since it has many parents.
        is_group: Whether it stands for every collection of its id.
    """

    segments: Segments
    is_group: bool = False

    def __str__(self) -> str:
        """Return it as the meter prints it: ids of documents replaced, a group with `**/`."""
        shown = ["*" if index % 2 else each or "*" for index, each in enumerate(self.segments)]
        return "/".join(["**", *shown] if self.is_group else shown)


@dataclass(frozen=True, slots=True)
class AskedRequest:
    """What a request is known by before it is served."""

    rpc: str
    caller: Caller
    touched: tuple[Touched, ...] = ()


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Which requests a fault strikes, and what becomes of them.

    Args:
        rpcs: Methods by their names on the wire; none: every method.
        collection: A path in which `*` stands for one segment and `**` for any number. A document
            is met by its own path and by its collection's.
        caller: As the meter names callers: `admin`, `anonymous`, `user:ana`.
        label: What the client calls itself.
        skip: Matching requests that are let through first.
        every: Of those after, each so-manieth is struck.
        times: How many are struck at most; None: no end.
        delay_ms: How long the request, or what it is answered, is held back.
        code: What the client is told; None: the request is late and nothing else.
        message: The words of the status; None: that a fault was injected.
        cut_after: How many messages of the answer still get through, the request being carried
            out. 0 is an answer that is lost. None: the request fails before it has done anything.
    """

    rpcs: frozenset[str] = frozenset()
    collection: str | None = None
    caller: str | None = None
    label: str | None = None
    skip: int = 0
    every: int = 1
    times: int | None = 1
    delay_ms: float = 0.0
    code: StatusCode | None = None
    message: str | None = None
    cut_after: int | None = None

    def matches(self, request: AskedRequest) -> bool:
        """Whether this rule is about a request."""
        return (
            (not self.rpcs or request.rpc in self.rpcs)
            and (self.caller is None or self.caller == request.caller.name)
            and (self.label is None or self.label == request.caller.label)
            and (
                self.collection is None
                or any(_meets(self.collection, each) for each in request.touched)
            )
        )

    def strikes(self, number: int, fired: int) -> bool:
        """Whether the matching request of a number, from 1, is struck.

        Args:
            fired: How many were struck before.
        """
        is_due = number > self.skip and (number - self.skip) % self.every == 0
        return is_due and (self.times is None or fired < self.times)

    def __str__(self) -> str:
        """Say in a phrase what becomes of which requests."""
        words = ["/".join(sorted(self.rpcs)) or "any request"]
        if self.collection is not None:
            words.append(f"on {self.collection}")
        if self.caller is not None:
            words.append(f"by {self.caller}")
        if self.label is not None:
            words.append(f"labelled {self.label}")
        effects = []
        if self.delay_ms:
            effects.append(f"{self.delay_ms:g} ms late")
        if self.code is not None:
            effects.append(_effect(self.code, self.cut_after))
        return f"{' '.join(words)}: {', '.join(effects)}"

    def to_json(self) -> dict[str, Any]:
        """Return the rule as `rule_from_json` takes it; what does not apply is left out."""
        content: dict[str, Any] = {
            "rpc": sorted(self.rpcs) or None,
            "collection": self.collection,
            "caller": self.caller,
            "label": self.label,
            "skip": self.skip or None,
            "every": self.every if self.every != 1 else None,
            "delayMs": self.delay_ms or None,
            "status": self.code.name if self.code is not None else None,
            "message": self.message,
            "cutAfter": self.cut_after,
        }
        known = {name: value for name, value in content.items() if value is not None}
        return known | {"times": self.times}


def _effect(code: StatusCode, cut_after: int | None) -> str:
    if cut_after is None:
        return f"refused with {code.name}"
    if cut_after == 0:
        return f"carried out but answered {code.name}"
    return f"cut off with {code.name} after {cut_after} messages"


@dataclass(frozen=True, slots=True)
class Strike:
    """What is to become of one request.

    Args:
        rule: The rule that decides its end; of several that only delay it, the first.
        delay_ms: What all rules together hold it back.
        error: What the client is told in the end; None: only late.
        cut_after: As the rule's.
    """

    rule: FaultRule
    delay_ms: float
    error: StatusError | None = None
    cut_after: int | None = None

    @property
    def is_refusal(self) -> bool:
        """Whether the request fails before it has done anything."""
        return self.error is not None and self.cut_after is None


@dataclass(slots=True)
class CountedRule:
    """A rule of a plan, and what it has come to.

    Args:
        matched: Requests that it was about.
        fired: Requests that it struck.
    """

    id: str
    rule: FaultRule
    matched: int = 0
    fired: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as the admin route prints it."""
        return {
            "id": self.id,
            **self.rule.to_json(),
            "says": str(self.rule),
            "matched": self.matched,
            "fired": self.fired,
        }


@dataclass(slots=True)
class FaultPlan:
    """The rules of one project, in the order in which they were added."""

    rules: list[CountedRule] = field(default_factory=list)
    _last_id: int = 0

    def add(self, rule: FaultRule) -> CountedRule:
        """Add a rule behind the others.

        Raises:
            StatusError: RESOURCE_EXHAUSTED: there are too many.
        """
        if len(self.rules) >= MAX_RULES:
            raise StatusError(
                StatusCode.RESOURCE_EXHAUSTED, f"a project has at most {MAX_RULES} faults"
            )
        self._last_id += 1
        counted = CountedRule(str(self._last_id), rule)
        self.rules.append(counted)
        return counted

    def remove(self, rule_id: str) -> bool:
        """Remove a rule; False if there is none of that id."""
        kept = [each for each in self.rules if each.id != rule_id]
        is_known = len(kept) < len(self.rules)
        self.rules = kept
        return is_known

    def decide(self, request: AskedRequest) -> Strike | None:
        """Say what is to become of a request, and count it.

        Rules are asked in their order. Those that only delay add up; the first that fails the
        request decides, and those behind it do not see the request.
        """
        delay_ms = 0.0
        first: FaultRule | None = None
        for counted in self.rules:
            rule = counted.rule
            if not rule.matches(request):
                continue
            counted.matched += 1
            if not rule.strikes(counted.matched, counted.fired):
                continue
            counted.fired += 1
            delay_ms += rule.delay_ms
            if rule.code is not None:
                words = rule.message or f"fault injected: {rule}"
                return Strike(rule, delay_ms, StatusError(rule.code, words), rule.cut_after)
            first = first or rule
        return None if first is None else Strike(first, delay_ms)


# --- patterns -------------------------------------------------------------------------------------


def _meets(pattern: str, touched: Touched) -> bool:
    """Whether a pattern means what a request names, or the collection of a document it names."""
    parts = pattern.split("/")
    segments = touched.segments
    if touched.is_group:
        return parts[-1] in ("*", "**") or segments[-1] in (ANY_ID, parts[-1])
    is_document = len(segments) % 2 == 0 and bool(segments)
    return _fits(parts, segments) or (is_document and _fits(parts, segments[:-1]))


def _fits(parts: Sequence[str], segments: Segments) -> bool:
    """Match segment by segment; in time that grows with the product of both lengths only."""
    reached = {0}
    for segment in segments:
        reached = _past_stars(parts, reached)
        reached = {at for at in reached if at < len(parts) and parts[at] == "**"} | {
            at + 1
            for at in reached
            if at < len(parts)
            and parts[at] != "**"
            and (segment is ANY_ID or parts[at] in ("*", segment))
        }
        if not reached:
            return False
    return len(parts) in _past_stars(parts, reached)


def _past_stars(parts: Sequence[str], reached: set[int]) -> set[int]:
    """Add the places behind each `**`, which may stand for nothing."""
    found = set()
    for at in reached:
        found.add(at)
        while at < len(parts) and parts[at] == "**":
            at += 1
            found.add(at)
    return found


# --- JSON -----------------------------------------------------------------------------------------

_KEYS = frozenset(
    {
        "rpc",
        "collection",
        "caller",
        "label",
        "skip",
        "every",
        "times",
        "delayMs",
        "status",
        "message",
        "cutAfter",
    }
)


def rule_from_json(content: Mapping[str, Any]) -> FaultRule:
    """Read a rule: `{"rpc": "Commit", "collection": "orders", "status": "UNAVAILABLE"}`.

    Raises:
        StatusError: INVALID_ARGUMENT, saying what is wrong with it.
    """
    unknown = sorted(content.keys() - _KEYS)
    if unknown:
        raise _invalid(f"{unknown[0]!r} is not known; known are {', '.join(sorted(_KEYS))}")
    rpcs = _rpcs(content.get("rpc"))
    cut_after = _number(content, "cutAfter", 0, None)
    code = _status(content.get("status"))
    if cut_after is not None and code is None:
        code = StatusCode.UNAVAILABLE
    delay_ms = _delay(content.get("delayMs"))
    if code is None and not delay_ms:
        raise _invalid("it does nothing: give it a status, a delayMs or a cutAfter")
    if cut_after and not (rpcs and rpcs <= STREAMED):
        raise _invalid(
            f"only {', '.join(sorted(STREAMED))} can be cut off after {cut_after} messages: name "
            "one of them as its rpc, or use cutAfter 0 for an answer that is lost"
        )
    collection = _text(content, "collection")
    if collection is not None and not all(collection.split("/")):
        raise _invalid(f"collection {collection!r} is no path such as users/*/tasks")
    return FaultRule(
        rpcs=rpcs,
        collection=collection,
        caller=_caller(_text(content, "caller")),
        label=_text(content, "label"),
        skip=_number(content, "skip", 0, 0) or 0,
        every=_number(content, "every", 1, 1) or 1,
        times=_number(content, "times", 1, None) if "times" in content else 1,
        delay_ms=delay_ms,
        code=code,
        message=_text(content, "message"),
        cut_after=cut_after,
    )


def _rpcs(value: Any) -> frozenset[str]:
    names = [] if value is None else value if isinstance(value, list) else [value]
    known = ONE_ANSWER | STREAMED
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise _invalid(f"rpc {name!r} is not known; known are {', '.join(sorted(known))}")
    return frozenset(names)


def _status(name: Any) -> StatusCode | None:
    if name is None:
        return None
    names = [code.name for code in StatusCode if code is not StatusCode.OK]
    if not isinstance(name, str) or name not in names:
        raise _invalid(f"status {name!r} is not known; known are {', '.join(names)}")
    return StatusCode[name]


def _delay(value: Any) -> float:
    if value is None:
        return 0.0
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= MAX_DELAY_MS:
        raise _invalid(f"delayMs {value!r} is no number from 0 to {MAX_DELAY_MS}")
    return float(value)


def _caller(name: str | None) -> str | None:
    if name is None or name in ("admin", "anonymous") or name.startswith("user:"):
        return name
    raise _invalid(f"caller {name!r} is none of admin, anonymous, user:UID")


def _text(content: Mapping[str, Any], key: str) -> str | None:
    value = content.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise _invalid(f"{key} {value!r} is no text")
    return value


def _number(content: Mapping[str, Any], key: str, least: int, default: int | None) -> int | None:
    value = content.get(key)
    if value is None:
        return default
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or not least <= value <= _MAX_COUNT:
        raise _invalid(f"{key} {value!r} is no whole number from {least} on")
    return int(value)


def _invalid(problem: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, f"this is no fault: {problem}")
