"""Function triggers: which events a commit causes, and which triggers want them. Who delivers them
is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.firestore.documents import CommitResult, DocumentSnapshot
from harness.firestore.paths import FieldPath, ResourcePath
from harness.firestore.values import MISSING, Fields, Missing, Timestamp, identical


class EventKind(StrEnum):
    """What happened to a document; a trigger for WRITTEN hears of each of the others."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    WRITTEN = "written"


class TriggerError(ValueError):
    """A registration that cannot be understood; its text says why."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A function that wants to hear of changes.

    Args:
        key: What the Functions emulator calls it.
        project: Whose database it watches.
        database: Which one.
        kind: Which changes.
        event_type: Its kind as it was registered.
        is_cloud_event: Second generation: binary CloudEvents; else the first generation's JSON.
        pattern: Of the document's path, below `documents`.
        with_auth: Whether the event says who wrote.
        retries: Whether an event that the function failed on is to be sent again.
    """

    key: str
    project: str
    database: str
    kind: EventKind
    event_type: str
    is_cloud_event: bool
    pattern: str
    with_auth: bool
    matcher: re.Pattern[str]
    retries: bool = False

    @property
    def function(self) -> str:
        """Return the function's region and name: `us-central1-onUser`."""
        return self._generation[1]

    @property
    def name(self) -> str:
        """Return the function's name alone, as its own process knows it: `onUser`."""
        return self.function.split("-", 2)[-1]

    @property
    def generation(self) -> int:
        """Return how often functions had been loaded anew when it was registered."""
        return int(self._generation[2] or 0)

    @property
    def _generation(self) -> re.Match[str]:
        match = _KEY.fullmatch(self.key)
        assert match is not None
        return match


@dataclass(frozen=True, slots=True)
class DocumentEvent:
    """One change of one document, for one trigger."""

    trigger: Trigger
    kind: EventKind
    path: ResourcePath
    before: DocumentSnapshot | None
    after: DocumentSnapshot | None
    time: Timestamp


# Region, name, and the generation of the emulator's triggers: `us-central1-onUser-0`.
# Source: firebase-tools 15, functionsEmulator.ts, getTriggerKey.
_KEY = re.compile(r"(.*?)(?:-(\d{1,9}))?", re.DOTALL)

_V1_TYPES = {
    "create": EventKind.CREATED,
    "update": EventKind.UPDATED,
    "delete": EventKind.DELETED,
    "write": EventKind.WRITTEN,
}
_V1_PREFIX = "providers/cloud.firestore/eventTypes/document."
_V1_RESOURCE = re.compile(
    r"projects/([^/]+)/databases/([^/]+)/documents(?:@\([^/]*\)|@[^/]*)?/(.+)", re.DOTALL
)
_V2_TYPE = re.compile(
    r"google\.cloud\.firestore\.document\.v1\.(created|updated|deleted|written)(\.withAuthContext)?"
)


def background_trigger(key: str, body: Any) -> Trigger:
    """Read a first-generation registration: `{"eventTrigger": {"resource": ..., "eventType":
    ...}}`.

    Raises:
        TriggerError: It is not one.
    Source: firebase-tools 15, functionsEmulator.ts.
    """
    event = body.get("eventTrigger") if isinstance(body, dict) else None
    if not isinstance(event, dict):
        raise TriggerError("eventTrigger is missing")
    event_type, resource = event.get("eventType"), event.get("resource")
    if not isinstance(event_type, str) or not event_type.startswith(_V1_PREFIX):
        raise TriggerError(f"unknown eventType {event_type!r}")
    kind = _V1_TYPES.get(event_type.removeprefix(_V1_PREFIX))
    if kind is None:
        raise TriggerError(f"unknown eventType {event_type!r}")
    match = _V1_RESOURCE.fullmatch(resource) if isinstance(resource, str) else None
    if match is None:
        raise TriggerError(f"resource {resource!r} is no document of a database")
    return Trigger(
        key=key,
        project=match[1],
        database=match[2],
        kind=kind,
        event_type=event_type,
        is_cloud_event=False,
        pattern=match[3],
        with_auth=False,
        matcher=compile_pattern(match[3]),
    )


def eventarc_trigger(key: str, project: str, body: Any) -> Trigger:
    """Read a second-generation registration: `{"eventType", "database", "document": {"value",
    "matchType"}}`.

    Raises:
        TriggerError: It is not one.
    Source: firebase-tools 15, functionsEmulator.ts.
    """
    if not isinstance(body, dict):
        raise TriggerError("the body is no object")
    event_type = body.get("eventType")
    match = _V2_TYPE.fullmatch(event_type) if isinstance(event_type, str) else None
    if match is None:
        raise TriggerError(f"unknown eventType {event_type!r}")
    document = body.get("document")
    value = document.get("value") if isinstance(document, dict) else document
    if not isinstance(value, str) or not value.strip("/"):
        raise TriggerError("document.value is missing")
    pattern = value.strip("/")
    exact = isinstance(document, dict) and document.get("matchType") == "EXACT"
    return Trigger(
        key=key,
        project=project,
        database=body.get("database") or "(default)",
        kind=EventKind(match[1]),
        event_type=match[0],
        is_cloud_event=True,
        pattern=pattern,
        with_auth=match[2] is not None,
        matcher=re.compile(re.escape(pattern)) if exact else compile_pattern(pattern),
    )


_CAPTURE = re.compile(r"\{([^{}=]*)(?:=([^{}]*))?\}")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a path pattern; it must match a whole path.

    `{x}`, `{x=*}` and `*` stand for one segment, `{x=**}` and `**` for one or more.
    """
    parts = []
    for segment in pattern.strip("/").split("/"):
        capture = _CAPTURE.fullmatch(segment)
        wildcard = (capture[2] or "*") if capture else segment
        if wildcard == "**":
            parts.append("[^/]+(?:/[^/]+)*")
        elif wildcard == "*":
            parts.append("[^/]+")
        else:
            parts.append(re.escape(wildcard))
    return re.compile("/".join(parts))


class TriggerRegistry:
    """The triggers of all projects, by their keys."""

    def __init__(self) -> None:
        self._triggers: dict[tuple[str, str], Trigger] = {}

    def __len__(self) -> int:
        return len(self._triggers)

    def add(self, trigger: Trigger) -> None:
        """Register a trigger, in place of one with its key, and of what was registered for the
        same function before functions were loaded anew: those keys answer no more.
        """
        for key, other in tuple(self._triggers.items()):
            if (other.project, other.function) == (trigger.project, trigger.function) and (
                other.generation < trigger.generation
            ):
                del self._triggers[key]
        self._triggers[trigger.project, trigger.key] = trigger

    def remove(self, project: str, key: str) -> bool:
        """Forget a trigger; says whether there was one."""
        return self._triggers.pop((project, key), None) is not None

    def all(self) -> tuple[Trigger, ...]:
        """Return every trigger."""
        return tuple(self._triggers.values())

    def events(self, project: str, database: str, commit: CommitResult) -> list[DocumentEvent]:
        """Return one event for each changed document and each trigger that wants it."""
        watching = [
            trigger
            for trigger in self._triggers.values()
            if trigger.project == project and trigger.database == database
        ]
        return list(_events(watching, commit)) if watching else []


def changed_fields(before: Fields, after: Fields) -> list[FieldPath]:
    """Return the paths of the fields that two states of a document differ in, maps gone into, in
    the order of their names.
    """
    return [FieldPath(path) for path in _changed(before, after)]


def _changed(before: Fields, after: Fields) -> Iterator[tuple[str, ...]]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, MISSING), after.get(name, MISSING)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from ((name, *path) for path in _changed(old, new))
        elif isinstance(old, Missing) or isinstance(new, Missing) or not identical(old, new):
            yield (name,)


def _events(triggers: Iterable[Trigger], commit: CommitResult) -> Iterator[DocumentEvent]:
    for change in commit.changes:
        if change.before is None:
            kind = EventKind.CREATED
        elif change.after is None:
            kind = EventKind.DELETED
        else:
            kind = EventKind.UPDATED
        if change.before is None and change.after is None:
            continue
        for trigger in triggers:
            if trigger.kind not in (kind, EventKind.WRITTEN):
                continue
            if trigger.matcher.fullmatch(change.path):
                yield DocumentEvent(
                    trigger, kind, change.path, change.before, change.after, commit.commit_time
                )
