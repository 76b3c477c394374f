"""What a function gets of an event: headers and body of the request to the Functions emulator, for
both generations.

As production sends it, or with the profile `emulator` as Google's emulator 1.22.0 does, but for
what no function can want: it names the project twice in `ce-source` and cuts times to seconds.
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

from google.protobuf import json_format

from harness.backend.auth import Caller, CallerKind
from harness.backend.clock import moment_text
from harness.backend.events import DocumentEvent, changed_fields
from harness.firestore.documents import DocumentSnapshot
from harness.firestore.paths import DatabaseName, document_name
from harness.firestore.profile import Profile
from harness.server import wire
from harness.server.wire import pb

EventMessage = tuple[list[tuple[str, bytes]], bytes]
"""Headers and body."""

_DATA_SCHEMA = (
    "https://github.com/googleapis/google-cloudevents/blob/main/proto/google/events/cloud/"
    "firestore/v1/data.proto"
)
_DEFAULT_REGION = "us-central1"
_AUTH_TYPES = {
    CallerKind.ADMIN: "service_account",
    CallerKind.SYSTEM: "system",
    CallerKind.USER: "unknown",
    CallerKind.ANONYMOUS: "unauthenticated",
}


def event_message(
    event: DocumentEvent, database: DatabaseName, caller: Caller, profile: Profile
) -> EventMessage:
    """Return what the event's function gets, with an id of its own."""
    mask = _update_mask(event) if profile.tells_changes_in_events else []
    if event.trigger.is_cloud_event:
        return cloud_event(event, database, caller, mask)
    return background_event(event, database, mask, is_complete=profile.tells_changes_in_events)


def background_event(
    event: DocumentEvent, database: DatabaseName, mask: list[str], *, is_complete: bool
) -> EventMessage:
    """Return the JSON that a first-generation function gets.

    Args:
        mask: The fields that an update has changed.
        is_complete: Whether the side that is not there is named.

    Source: Cloud Functions, "Google Cloud Firestore triggers (1st gen)", event structure.
    """
    sides = {"value": event.after, "oldValue": event.before}
    content = {
        "data": {
            **{
                name: _document_json(database, side)
                for name, side in sides.items()
                if side is not None or is_complete
            },
            "updateMask": {"fieldPaths": mask} if mask else {},
        },
        "context": {
            "eventId": str(uuid.uuid4()),
            "timestamp": moment_text(event.time.micros),
            "eventType": event.trigger.event_type,
            "resource": {
                "name": document_name(database, event.path),
                "service": "firestore.googleapis.com",
            },
        },
    }
    return [("content-type", b"application/json")], json.dumps(content).encode()


def cloud_event(
    event: DocumentEvent, database: DatabaseName, caller: Caller, mask: list[str]
) -> EventMessage:
    """Return the CloudEvent that a second-generation function gets.

    The body is base64 text, whatever its content type says: the Functions emulator decodes it.

    Source: firebase-tools 15, functionsEmulator.ts; a recording of emulator 1.22.0.
    """
    trigger = event.trigger
    data = pb.DocumentEventData()
    if event.after is not None:
        wire.document_to_proto(database, event.after, data.value)
    if event.before is not None:
        wire.document_to_proto(database, event.before, data.old_value)
    data.update_mask.SetInParent()
    data.update_mask.field_paths.extend(mask)
    headers = [
        ("content-type", "application/protobuf"),
        ("ce-specversion", "1.0"),
        ("ce-id", str(uuid.uuid4())),
        ("ce-type", trigger.event_type),
        ("ce-source", f"//firestore.googleapis.com/{database}"),
        ("ce-subject", f"documents/{event.path}"),
        ("ce-time", moment_text(event.time.micros)),
        ("ce-datacontenttype", "application/protobuf"),
        ("ce-dataschema", _DATA_SCHEMA),
        ("ce-project", database.project),
        ("ce-database", database.database),
        ("ce-namespace", "(default)"),
        ("ce-document", event.path),
        ("ce-location", _region_of(trigger.key)),
    ]
    if trigger.with_auth:
        headers.append(("ce-authtype", _AUTH_TYPES[caller.kind]))
        if caller.kind is not CallerKind.ANONYMOUS:
            headers.append(("ce-authid", caller.uid or caller.name))
    encoded = [(name, _header_value(value)) for name, value in headers]
    return encoded, base64.b64encode(data.SerializeToString())


def _update_mask(event: DocumentEvent) -> list[str]:
    """Return the fields that an update has changed; of other events none are named.

    Source: google.events.cloud.firestore.v1.DocumentEventData.update_mask.
    """
    if event.before is None or event.after is None:
        return []
    return [str(path) for path in changed_fields(event.before.fields, event.after.fields)]


def _header_value(value: str) -> bytes:
    """Return a header's bytes: UTF-8 as it is, where the CloudEvents binding would percent-encode.

    Node.js takes the bytes for Latin-1, so functions see `HelvÃ©tios` for `Helvétios`, as in
    production. Control characters, which no header may hold, are percent-encoded.

    Source: firebase-functions issue 1459; functions-framework-nodejs pull request 780.
    """
    return "".join(
        char if char >= " " and char != "\x7f" else f"%{ord(char):02X}" for char in value.strip(" ")
    ).encode("utf-8", "replace")


def _region_of(key: str) -> str:
    """Return the region that a trigger's key begins with: `us-central1-onUser-0`."""
    words = key.split("-")
    for count in (2, 3):
        candidate = "-".join(words[:count])
        if len(words) > count and candidate[-1:].isdigit() and words[0].isalpha():
            return candidate
    return _DEFAULT_REGION


def _document_json(database: DatabaseName, snapshot: DocumentSnapshot | None) -> Any:
    if snapshot is None:
        return {}
    message = pb.Document()
    wire.document_to_proto(database, snapshot, message)
    return json_format.MessageToDict(message)
