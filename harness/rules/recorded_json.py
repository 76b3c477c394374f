"""Recorded requests as JSON lines, and back, without loss.

Requests share most of what they are about: thousands of them look at the same few documents on
behalf of the same few callers. So a text is a sequence of lines in which documents, callers and
states of the database are numbered as they first appear, and requests refer to the numbers:

    {"begin": 1}                           a new part: the numbers begin again from 0
    {"check": "checks/test_a.py::test_b"}  who made the requests that follow
    {"rules": "9f86d081884c7d65…"}         SHA-256 of the rules that decided them
    {"document": [["databases", …], {…}]}  path and fields
    {"caller": {"uid": "ana", "token": {…}}}
    {"state": {"from": 2, "with": [7]}}    documents that exist, as a change of an earlier state
    {"request": {…}}
    {"left_out": 12}                       so many requests are not there: there was no room

A part needs nothing before it, so parts from several processes can be put one after the other.
Values are JSON where JSON has them (1 and 1.0 differ, as in their texts); the others are objects
with one key that begins with `$`. Text only; files are read and written elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from harness.rules.recorded import (
    DocumentPath,
    RecordedDecision,
    RecordedDocuments,
    RecordedRequest,
)
from harness.rules.request import (
    FIRESTORE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.values import (
    Placeholder,
    RulesDuration,
    RulesLatLng,
    RulesPath,
    RulesSet,
    RulesTimestamp,
    RulesValue,
)

FORMAT_VERSION = 1

Fields: TypeAlias = Mapping[str, RulesValue]


def ruleset_digest(text: str) -> str:
    """Return what names a ruleset's text in recordings."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# --- values -----------------------------------------------------------------------------------


def value_to_json(value: RulesValue) -> Any:
    """Return a value as what `json.dumps` writes. Tuples become lists.

    Raises:
        ValueError: It is no value that a request can hold: a map diff, or a query's constraint.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, dict):
        fields = {_key(key): value_to_json(item) for key, item in value.items()}
        return {"$map": fields} if any(key.startswith("$") for key in fields) else fields
    if isinstance(value, (list, tuple)):
        return [value_to_json(item) for item in value]
    if isinstance(value, RulesTimestamp):
        return {"$timestamp": value.nanos}
    if isinstance(value, RulesPath):
        return {"$path": _path_to_json(value)}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, RulesLatLng):
        return {"$latlng": [value_to_json(value.latitude), value_to_json(value.longitude)]}
    if isinstance(value, RulesDuration):
        return {"$duration": value.nanos}
    if isinstance(value, RulesSet):
        return {"$set": [value_to_json(item) for item in value]}
    raise ValueError(f"a {type(value).__name__} is no value of a request")


def value_from_json(content: Any) -> RulesValue:
    """Read what `value_to_json` gave.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(content, list):
        return [value_from_json(item) for item in content]
    if not isinstance(content, dict):
        return content  # type: ignore[no-any-return]
    if len(content) == 1:
        ((tag, inner),) = content.items()
        if tag.startswith("$"):
            return _tagged(tag, inner)
    return {name: value_from_json(item) for name, item in content.items()}


def _tagged(tag: str, inner: Any) -> RulesValue:
    match tag:
        case "$map":
            return {name: value_from_json(item) for name, item in inner.items()}
        case "$float":
            return _float({tag: inner})
        case "$timestamp":
            return RulesTimestamp(inner)
        case "$duration":
            return RulesDuration(inner)
        case "$bytes":
            return base64.b64decode(inner, validate=True)
        case "$latlng":
            latitude, longitude = map(_float, inner)
            return RulesLatLng(latitude, longitude)
        case "$path":
            return _path_from_json(inner)
        case "$set":
            return RulesSet([value_from_json(item) for item in inner])
    raise ValueError(f"unknown kind of value: {tag}")


def _float(content: Any) -> float:
    return float(content["$float"] if isinstance(content, dict) else content)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError(f"a map's key is {key!r}, not a string")
    return key


def _path_to_json(path: RulesPath) -> Any:
    segments = [
        {"name": segment.name} if isinstance(segment, Placeholder) else segment
        for segment in path.segments
    ]
    return {"segments": segments, "bound": list(path.bound)} if path.bound else segments


def _path_from_json(content: Any) -> RulesPath:
    bound: tuple[tuple[str, str], ...] = ()
    if isinstance(content, dict):
        bound = tuple((name, text) for name, text in content["bound"])
        content = content["segments"]
    return RulesPath(
        tuple(
            Placeholder(segment["name"]) if isinstance(segment, dict) else segment
            for segment in content
        ),
        bound,
    )


def _fields_from_json(content: Any) -> dict[str, RulesValue]:
    value = value_from_json(content)
    if not isinstance(value, dict):
        raise ValueError("fields are not a map")
    return value


# --- writing ----------------------------------------------------------------------------------


class RequestWriter:
    """Writes one part, line by line. Whoever writes several requests of one part keeps it.

    What is the same object is known to be the same without a look at it: share documents' fields
    and `RecordedDocuments.before` among requests where you can.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._numbers: dict[str, dict[str, int]] = {"document": {}, "caller": {}}
        self._by_identity: dict[tuple[str, int], int] = {}
        self._kept: list[object] = []
        self._last_state: _State | None = None
        self._states = 0
        self._rules = ""
        self._line("begin", FORMAT_VERSION)

    def add(self, recorded: RecordedRequest, rules: str = "") -> None:
        """Take a request.

        Args:
            recorded: The request; an empty `origin` leaves it to a `check` line.
            rules: Digest of the ruleset that decided it.
        """
        if rules != self._rules:
            self._rules = rules
            self._line("rules", rules)
        documents = recorded.documents
        content: dict[str, Any] = {"title": recorded.title}
        if recorded.origin:
            content["origin"] = recorded.origin
        if recorded.several:
            content["several"] = True
        content["state"] = self._state(documents)
        if documents.after:
            content["after"] = [
                [list(path), None] if fields is None else [list(path), self._document(path, fields)]
                for path, fields in documents.after.items()
            ]
        content["decisions"] = [self._decision(each) for each in recorded.decisions]
        self._line("request", content)

    def leave_out(self, count: int) -> None:
        """Say that so many requests are not there."""
        self._line("left_out", count)

    def take(self) -> str:
        """Return the text since the last time; it ends with a line end."""
        text = "".join(self._lines)
        self._lines.clear()
        return text

    def _line(self, kind: str, content: object) -> None:
        self._lines.append(_dumps({kind: content}) + "\n")

    def _decision(self, decision: RecordedDecision) -> dict[str, Any]:
        request = decision.request
        content: dict[str, Any] = {
            "allowed": decision.allowed,
            "method": request.method.value,
            "path": list(request.path),
            "time": request.time.nanos,
        }
        if request.service != FIRESTORE:
            content["service"] = request.service
        if request.auth is not None:
            content["caller"] = self._caller(request.auth)
        if request.resource is not None:
            content["resource"] = self._resource(request.resource)
        if request.new_resource is not None:
            content["new_resource"] = self._resource(request.new_resource)
        if request.query is not None:
            content["query"] = _query_to_json(request.query)
        if request.delimiter is not None:
            content["delimiter"] = request.delimiter
        return content

    def _resource(self, resource: RulesResource | Fields) -> Any:
        if not isinstance(resource, RulesResource):
            return {"object": value_to_json(dict(resource))}
        segments = resource.path.segments
        path = tuple(segment for segment in segments if isinstance(segment, str))
        if len(path) < len(segments):
            raise ValueError(f"a document's path is open: {resource.path}")
        return self._document(path, resource.data)

    def _document(self, path: DocumentPath, fields: Fields) -> int:
        # A document's fields may be those of another one that was copied, so its path counts too.
        known = self._by_identity.get(("/".join(path), id(fields)))
        if known is None:
            text = _dumps([list(path), value_to_json(dict(fields))])
            known = self._by_identity["/".join(path), id(fields)] = self._number("document", text)
            self._kept.append(fields)
        return known

    def _caller(self, auth: RulesAuth) -> int:
        known = self._by_identity.get(("", id(auth)))
        if known is None:
            text = _dumps({"uid": auth.uid, "token": value_to_json(dict(auth.token))})
            known = self._by_identity["", id(auth)] = self._number("caller", text)
            self._kept.append(auth)
        return known

    def _number(self, kind: str, text: str) -> int:
        numbers = self._numbers[kind]
        number = numbers.get(text)
        if number is None:
            number = numbers[text] = len(numbers)
            self._lines.append(f'{{"{kind}":{text}}}\n')
        return number

    def _state(self, documents: RecordedDocuments) -> int:
        base = self._last_state
        if base is not None and base.is_of(documents):
            return self._states - 1
        held = {path: self._document(path, fields) for path, fields in documents.before.items()}
        state = _State(documents, held)
        if base is not None and state.says_the_same(base):
            self._last_state = state
            return self._states - 1
        content: dict[str, Any] = {}
        added = list(held.values())
        if base is not None and base.is_complete and documents.is_complete:
            without = [list(path) for path in base.held if path not in held]
            changed = [number for path, number in held.items() if base.held.get(path) != number]
            if len(changed) + len(without) < len(added):
                added = changed
                content = {"from": self._states - 1}
                if without:
                    content["without"] = without
        content["with"] = added
        if not documents.is_complete:
            content["complete"] = False
            content["missing"] = sorted(list(path) for path in documents.missing)
        self._line("state", content)
        self._last_state = state
        self._states += 1
        return self._states - 1


class _State:
    """A state that has been written: the number of each document."""

    def __init__(self, documents: RecordedDocuments, held: dict[DocumentPath, int]) -> None:
        self.held = held
        self.before = documents.before
        self.is_complete = documents.is_complete
        self.missing = documents.missing

    def is_of(self, documents: RecordedDocuments) -> bool:
        return self.before is documents.before and self._is_known_like(documents)

    def says_the_same(self, other: _State) -> bool:
        return self.held == other.held and self._is_known_like(other)

    def _is_known_like(self, other: _State | RecordedDocuments) -> bool:
        return self.is_complete == other.is_complete and self.missing == other.missing


def _query_to_json(query: RulesQuery) -> dict[str, Any]:
    return {
        "parent": list(query.parent),
        "collection": query.collection_id,
        "group": query.all_descendants,
        "limit": query.limit,
        "offset": query.offset,
        "order_by": dict(query.order_by),
        "disjuncts": [
            [[list(each.field), each.comparator.value, value_to_json(each.value)] for each in part]
            for part in query.disjuncts
        ],
    }


def _dumps(content: object) -> str:
    return json.dumps(content, allow_nan=False, separators=(",", ":"))


# --- reading ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request and the digest of the rules that decided it; empty where that was not written."""

    recorded: RecordedRequest
    rules: str


@dataclass(slots=True)
class RequestReader:
    """Reads any number of parts.

    Attributes:
        left_out: How many requests the text says are not there.
    """

    left_out: int = 0

    def read(self, lines: Iterable[str]) -> Iterator[ReadRequest]:
        """Yield the requests, in their order. Requests of one state share its documents.

        Raises:
            ValueError: A line is none of this format; says which.
        """
        part = _Part()
        check = rules = ""
        for number, line in enumerate(lines, 1):
            try:
                ((kind, content),) = json.loads(line).items()
                if kind == "begin":
                    if content != FORMAT_VERSION:
                        raise ValueError(f"version {content!r} of the format is not known")
                    part, rules = _Part(), ""
                elif kind == "check":
                    check = content
                elif kind == "rules":
                    rules = content
                elif kind == "left_out":
                    self.left_out += content
                elif kind == "request":
                    yield ReadRequest(part.request(content, check), rules)
                else:
                    part.take(kind, content)
            except (
                AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError,
                ValueError,
            ) as error:  # fmt: skip
                raise ValueError(f"line {number} is no recorded request: {error}") from error


class _Part:
    """What the lines of one part have numbered so far."""

    def __init__(self) -> None:
        self._documents: list[tuple[DocumentPath, dict[str, RulesValue], RulesResource]] = []
        self._callers: list[RulesAuth] = []
        self._states: list[RecordedDocuments] = []

    def take(self, kind: str, content: Any) -> None:
        match kind:
            case "document":
                path, fields = tuple(content[0]), _fields_from_json(content[1])
                self._documents.append((path, fields, RulesResource(fields, RulesPath(path))))
            case "caller":
                token = _fields_from_json(content["token"])
                self._callers.append(RulesAuth(content["uid"], token))
            case "state":
                self._states.append(self._state(content))
            case _:
                raise ValueError(f"a line of an unknown kind: {kind}")

    def request(self, content: Any, check: str) -> RecordedRequest:
        documents = self._states[content["state"]]
        if "after" in content:
            after = {
                tuple(path): None if number is None else self._documents[number][1]
                for path, number in content["after"]
            }
            documents = RecordedDocuments(
                documents.before, after, documents.is_complete, documents.missing
            )
        return RecordedRequest(
            title=content["title"],
            origin=content.get("origin", check),
            decisions=tuple(self._decision(each) for each in content["decisions"]),
            documents=documents,
            several=content.get("several", False),
        )

    def _state(self, content: Any) -> RecordedDocuments:
        before: dict[DocumentPath, Fields] = {}
        if "from" in content:
            before.update(self._states[content["from"]].before)
            for path in content.get("without", ()):
                del before[tuple(path)]
        for number in content["with"]:
            path, fields, _ = self._documents[number]
            before[path] = fields
        return RecordedDocuments(
            before,
            is_complete=content.get("complete", True),
            missing=frozenset(tuple(path) for path in content.get("missing", ())),
        )

    def _decision(self, content: Any) -> RecordedDecision:
        caller = content.get("caller")
        query = content.get("query")
        request = RulesRequest(
            service=content.get("service", FIRESTORE),
            method=Method(content["method"]),
            path=tuple(content["path"]),
            auth=None if caller is None else self._callers[caller],
            time=RulesTimestamp(content["time"]),
            resource=self._resource(content.get("resource")),
            new_resource=self._resource(content.get("new_resource")),
            query=None if query is None else _query_from_json(query),
            delimiter=content.get("delimiter"),
        )
        return RecordedDecision(request, content["allowed"])

    def _resource(self, content: Any) -> RulesResource | Fields | None:
        if content is None:
            return None
        if isinstance(content, int):
            return self._documents[content][2]
        return _fields_from_json(content["object"])


def _query_from_json(content: Any) -> RulesQuery:
    return RulesQuery(
        parent=tuple(content["parent"]),
        collection_id=content["collection"],
        all_descendants=content["group"],
        limit=content["limit"],
        offset=content["offset"],
        order_by=content["order_by"],
        disjuncts=tuple(
            tuple(
                QueryConstraint(tuple(field), Comparator(comparator), value_from_json(value))
                for field, comparator, value in part
            )
            for part in content["disjuncts"]
        ),
    )


# --- one request by itself --------------------------------------------------------------------


def request_to_json(recorded: RecordedRequest) -> str:
    """Return one request as a part of its own."""
    writer = RequestWriter()
    writer.add(recorded)
    return writer.take()


def request_from_json(text: str) -> RecordedRequest:
    """Read what `request_to_json` gave.

    Raises:
        ValueError: It is something else.
    """
    found = [each.recorded for each in RequestReader().read(text.splitlines())]
    if len(found) != 1:
        raise ValueError(f"there are {len(found)} requests, not one")
    return found[0]
