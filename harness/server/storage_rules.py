"""The Storage rules runtime: the rules engine behind one JSON object a line, on stdin and stdout.

The Storage emulator starts it as `java -jar … serve`, loads rulesets and asks for verdicts. Where
a rule reads Firestore, the runtime asks back on the same pipe and goes on with the answer. One
request is decided at a time; those that arrive while an answer is awaited wait in line.

Source: firebase-tools 15.34, emulator/storage/rules/{runtime,types}.ts.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any, TextIO

from harness.rules import limits
from harness.rules.issues import Issue, Severity
from harness.rules.request import STORAGE, Method, RulesAuth, RulesRequest
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.rules.runtime import AccessLog, RulesError
from harness.rules.values import (
    INT_MAX,
    INT_MIN,
    RulesDuration,
    RulesLatLng,
    RulesPath,
    RulesSet,
    RulesTimestamp,
    RulesValue,
)
from harness.server.storage_coverage import StorageCoverage, coverage_of_arguments
from harness.server.storage_requests import StorageRequests, requests_of_arguments
from harness.source import SourceText

_READY = {"id": -1, "status": "ok"}
_NANOS_PER_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# What a value that is not as the emulator sends it can do to the functions that read it.
_UNREADABLE = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)


class ProtocolError(Exception):
    """A line that is not a request of this protocol. Says what was wrong with it."""


OWN_PROJECT = "--own-project"
"""The option that documents are looked up in the project of the caller's token."""

PROJECT = "harness-project"
"""How Firestore's REST is told of it."""

_PROJECT_ID = re.compile(r"[a-z0-9-]{1,63}")


@dataclass(slots=True)
class Runtime:
    """Answers requests.

    Args:
        send: Writes one answer.
        receive: Waits for the next line from the emulator; None when there will be no more.
        requests: Where what was judged is noted; None: nowhere.
        coverage: Where is counted what the requests reach of the rules; None: nowhere.
        asks_own_project: Whether documents are looked up in the project of the caller's token, not
            in the suite's: each rules suite and each test worker has one of its own. Only the
            embedded Firestore understands the question.
    """

    send: Callable[[Mapping[str, Any]], None]
    receive: Callable[[], str | None]
    requests: StorageRequests | None = None
    coverage: StorageCoverage | None = None
    asks_own_project: bool = False
    _rulesets: dict[str, CompiledRuleset] = field(default_factory=dict)
    _waiting: deque[str] = field(default_factory=deque)

    def serve(self) -> None:
        """Answer requests until the emulator closes the pipe."""
        self.send(_READY)
        while (line := self._next_line()) is not None:
            if not line.strip():
                continue
            request_id: object = None
            try:
                request = _object(line)
                request_id = request.get("id")
                self.send(self.answer(request))
            except ProtocolError as error:
                # Without an id nobody waits for the answer, and the emulator would stumble on it.
                if isinstance(request_id, int):
                    self.send(_failure(request_id, str(error)))
            except EOFError:
                return
            except Exception as error:
                # The boundary of this process: whatever one line does to us, the emulator gets an
                # answer to it and to the next one.
                if isinstance(request_id, int):
                    self.send(_failure(request_id, f"{type(error).__name__}: {error}"))

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer to one request.

        Raises:
            ProtocolError: It is not a request of this protocol.
            EOFError: The emulator went away while it was asked for a document.
        """
        context = request.get("context")
        if not isinstance(context, dict):
            raise ProtocolError("the request has no context")
        match request.get("action"):
            case "load_ruleset":
                return self._load(request["id"], context)
            case "verify":
                return self._verify(request["id"], context)
            case action:
                raise ProtocolError(f"unknown action {action!r}")

    def _load(self, request_id: int, context: Mapping[str, Any]) -> Mapping[str, Any]:
        name = str(context.get("rulesetName"))
        files = (context.get("source") or {}).get("files")
        if not isinstance(files, list) or len(files) != 1 or not isinstance(files[0], dict):
            raise ProtocolError("a ruleset is one file with a name and content")
        source = SourceText(
            str(files[0].get("name", "storage.rules")), str(files[0].get("content", ""))
        )
        loaded = load_ruleset(source)
        version = 1
        if loaded.ruleset is not None:
            self._rulesets[name] = loaded.ruleset
            version = loaded.ruleset.version
        by_severity = {
            severity: [_issue_text(issue) for issue in loaded.issues if issue.severity is severity]
            for severity in Severity
        }
        return {
            "id": request_id,
            "status": "ok",
            "result": {"rulesVersion": version},
            "errors": by_severity[Severity.ERROR],
            "warnings": by_severity[Severity.WARNING],
        }

    def _verify(self, request_id: int, context: Mapping[str, Any]) -> Mapping[str, Any]:
        name = str(context.get("rulesetName"))
        ruleset = self._rulesets.get(name)
        if ruleset is None:
            raise ProtocolError(f"no ruleset {name} is loaded")
        request = rules_request(context)
        project = _project_of(request) if self.asks_own_project else None
        documents = _FirestoreDocuments(self, request_id, project)
        log = AccessLog(limits.STORAGE_ACCESS_CALLS)
        decision = ruleset.decide(request, documents, log)
        if self.coverage is not None:
            self.coverage.observe(name, ruleset, request, documents, log)
        if self.requests is not None:
            self.requests.note(ruleset, request, decision.allowed, documents.known)
        return {
            "id": request_id,
            "status": "ok",
            "result": {"permit": decision.allowed},
            "errors": [],
            "warnings": [],
        }

    def fetch(
        self, request_id: int, path: str, project: str | None = None
    ) -> Mapping[str, Any] | None:
        """Ask the emulator for a Firestore document; return its fields in REST's JSON, or None.

        Args:
            project: Whose document; None: the suite's. The emulator puts the suite's project before
                the path and asks Firestore's REST for all of it: what is behind it comes through.

        The question carries the id of the request that needs it: the emulator has no other.

        Raises:
            RulesError: The emulator could not say.
            EOFError: The emulator went away.
        """
        self.send(
            {
                "server_request_id": request_id,
                "action": "fetch_firestore_document",
                "context": {"path": f"{path}?{PROJECT}={project}" if project else path},
                "status": "ok",
                "errors": [],
                "warnings": [],
            }
        )
        while (line := self.receive()) is not None:
            try:
                answer = _object(line)
            except ProtocolError:
                continue
            if answer.get("id") != request_id or "action" in answer:
                self._waiting.append(line)
                continue
            status = answer.get("status")
            if status == "not_found":
                return None
            result = answer.get("result")
            if status != "ok" or not isinstance(result, dict):
                # Not the same as a missing document: a rule may grant because there is none.
                raise RulesError(f"Service call error. The document {path} cannot be read.")
            fields = result.get("fields")
            return fields if isinstance(fields, dict) else {}
        raise EOFError

    def _next_line(self) -> str | None:
        return self._waiting.popleft() if self._waiting else self.receive()


@dataclass(slots=True)
class _FirestoreDocuments:
    """The documents that a rule reads, each asked for once in a request."""

    runtime: Runtime
    request_id: int
    project: str | None = None
    known: dict[tuple[str, ...], Mapping[str, RulesValue] | None] = field(default_factory=dict)

    def get(self, path: tuple[str, ...]) -> Mapping[str, RulesValue] | None:
        if path not in self.known:
            fields = self.runtime.fetch(self.request_id, "/" + "/".join(path), self.project)
            try:
                self.known[path] = None if fields is None else _map_from_rest(fields)
            except _UNREADABLE as error:
                raise RulesError(f"Service call error. {error}.") from error
        return self.known[path]

    def get_after(self, path: tuple[str, ...]) -> Mapping[str, RulesValue] | None:
        # Storage rules have no getAfter: a Storage write changes no document.
        return self.get(path)


def rules_request(context: Mapping[str, Any]) -> RulesRequest:
    """Read the context of a `verify` request.

    Raises:
        ProtocolError: Something in it is not as the emulator sends it.
    """
    try:
        method = Method(str(context.get("method")))
        variables = context["variables"]
        request = value_from_expression(variables["request"])
        resource = value_from_expression(variables["resource"])
    except _UNREADABLE as error:
        raise ProtocolError(f"the request to verify cannot be read: {error}") from error
    if not isinstance(request, dict):
        raise ProtocolError("the variable request is not a map")
    time = request.get("time")
    delimiter = context.get("delimiter")
    return RulesRequest(
        service=str(context.get("service", STORAGE)),
        method=method,
        path=tuple(part for part in str(context.get("path", "")).split("/") if part),
        auth=_auth(request.get("auth")),
        time=time if isinstance(time, RulesTimestamp) else RulesTimestamp(0),
        resource=_map_or_none(resource),
        new_resource=_map_or_none(request.get("resource")),
        delimiter=delimiter if isinstance(delimiter, str) else None,
    )


def value_from_expression(value: Mapping[str, Any]) -> RulesValue:
    """Read a tagged value, such as `{"int_value": 3}`.

    Raises:
        ValueError: Its tag is not known, or its content does not fit the tag.
    """
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"not a tagged value: {str(value)[:80]}")
    ((tag, content),) = value.items()
    match tag:
        case "null_value":
            return None
        case "bool_value":
            return bool(content)
        case "int_value":
            # The emulator calls every whole number an int, however large.
            whole = int(content)
            return whole if INT_MIN <= whole <= INT_MAX else float(whole)
        case "float_value":
            return float(content)
        case "string_value":
            return str(content)
        case "bytes_value":
            return _bytes_from_base64(str(content))
        case "timestamp_value":
            return timestamp_from_text(str(content))
        case "duration_value":
            nanos = int(content.get("seconds", 0)) * _NANOS_PER_SECOND + int(
                content.get("nanos", 0)
            )
            return RulesDuration(nanos)
        case "latlng_value":
            return RulesLatLng(
                float(content.get("latitude", 0)), float(content.get("longitude", 0))
            )
        case "path_value":
            return RulesPath(tuple(_segment(segment) for segment in content["segments"]))
        case "list_value":
            return [value_from_expression(item) for item in content.get("values", ())]
        case "set_value":
            return RulesSet([value_from_expression(item) for item in content.get("values", ())])
        case "map_value":
            fields = content.get("fields", {})
            return {name: value_from_expression(item) for name, item in fields.items()}
    raise ValueError(f"unknown kind of value: {tag}")


def value_from_rest(value: Mapping[str, Any]) -> RulesValue:
    """Read a Firestore value in REST's JSON, such as `{"integerValue": "3"}`.

    Raises:
        ValueError: Its kind is not known, or its content does not fit.
    """
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"not a Firestore value: {str(value)[:80]}")
    ((kind, content),) = value.items()
    match kind:
        case "nullValue":
            return None
        case "booleanValue":
            return bool(content)
        case "integerValue":
            return int(content)
        case "doubleValue":
            return float(content)
        case "stringValue":
            return str(content)
        case "bytesValue":
            return _bytes_from_base64(str(content))
        case "timestampValue":
            return timestamp_from_text(str(content))
        case "referenceValue":
            # projects/P/databases/D/documents/…: rules see it from /databases on.
            return RulesPath(tuple(str(content).split("/")[2:]))
        case "geoPointValue":
            return RulesLatLng(
                float(content.get("latitude", 0)), float(content.get("longitude", 0))
            )
        case "arrayValue":
            return [value_from_rest(item) for item in content.get("values", ())]
        case "mapValue":
            return _map_from_rest(content.get("fields", {}))
    raise ValueError(f"unknown kind of Firestore value: {kind}")


def timestamp_from_text(text: str) -> RulesTimestamp:
    """Read an RFC 3339 time, to the nanosecond.

    Raises:
        ValueError: It is none.
    """
    whole, _, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    moment = datetime.fromisoformat(whole + rest[len(digits) :])
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return RulesTimestamp(seconds * _NANOS_PER_SECOND + int(digits[:9].ljust(9, "0") or 0))


def _map_from_rest(fields: Mapping[str, Any]) -> dict[str, RulesValue]:
    return {name: value_from_rest(value) for name, value in fields.items()}


def _segment(segment: Mapping[str, Any]) -> str:
    return str(segment.get("simple", segment.get("bound_value", "")))


def _bytes_from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_")
    except binascii.Error as error:
        raise ValueError(f"not base64: {text[:40]}") from error


def _auth(value: RulesValue) -> RulesAuth | None:
    if not isinstance(value, dict):
        return None
    uid, token = value.get("uid"), value.get("token")
    return RulesAuth(
        uid if isinstance(uid, str) else None, token if isinstance(token, dict) else {}
    )


def _project_of(request: RulesRequest) -> str | None:
    """Return the project that the caller's token is for."""
    audience = request.auth.token.get("aud") if request.auth is not None else None
    is_project = isinstance(audience, str) and _PROJECT_ID.fullmatch(audience)
    return str(audience) if is_project else None


def _map_or_none(value: RulesValue) -> Mapping[str, RulesValue] | None:
    return value if isinstance(value, dict) else None


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ProtocolError("not a JSON object")
    return value


def _failure(request_id: int, message: str) -> Mapping[str, Any]:
    """Answer a request that made no sense: it is not permitted, and the emulator logs why."""
    return {
        "id": request_id,
        "status": "ok",
        "result": {"permit": False, "rulesVersion": 1},
        "errors": [message],
        "warnings": [],
    }


def _issue_text(issue: Issue) -> str:
    """One diagnostic as the emulator takes it: JSON in a string.

    Source: firebase-tools 15.34, emulator/storage/rules/manager.ts, which reads these two names.
    """
    position = {"fileName_": issue.position.file_name, "line_": issue.position.line}
    return json.dumps({"description_": issue.description, "sourcePosition_": position})


def main() -> None:
    """Speak the protocol on standard input and output until the emulator is done."""
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    lines, answers = _utf8(sys.stdin), _utf8(sys.stdout)

    def send(answer: Mapping[str, Any]) -> None:
        answers.write(json.dumps(answer, allow_nan=False, separators=(",", ":")) + "\n")
        answers.flush()

    try:
        requests = requests_of_arguments(sys.argv)
        coverage = coverage_of_arguments(sys.argv)
        own = OWN_PROJECT in sys.argv
        Runtime(send, lambda: lines.readline() or None, requests, coverage, own).serve()
    except BrokenPipeError:
        # The emulator has gone; there is nobody left to tell.
        sys.stderr.close()


def _utf8(stream: TextIO) -> TextIO:
    stream.reconfigure(encoding="utf-8", errors="replace", newline="\n")  # type: ignore[attr-defined]
    return stream


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
