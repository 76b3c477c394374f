"""Names in a REST request that are none of its message's: refused in production's words.

Source: the JSON transcoding of Google's APIs, as production words it: recorded, "Cannot bind query
parameter", samuelgozi/firebase-firestore-lite#50; "Cannot find field" and "Invalid value at" are
known from its answers to malformed documents.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.errors import StatusCode, StatusError

_DOCUMENT_MASK = "mask.fieldPaths"
_PRECONDITION = ("currentDocument.exists", "currentDocument.updateTime")

_PARAMETERS = {
    "GetDocument": (_DOCUMENT_MASK, "transaction", "readTime"),
    "ListDocuments": (
        *("pageSize", "pageToken", "orderBy", "showMissing"),
        *(_DOCUMENT_MASK, "transaction", "readTime"),
    ),
    "CreateDocument": ("documentId", _DOCUMENT_MASK),
    "UpdateDocument": ("updateMask.fieldPaths", _DOCUMENT_MASK, *_PRECONDITION),
    "DeleteDocument": _PRECONDITION,
}
"""What may stand in the query; all of the other methods is in their body."""

_SYSTEM_PARAMETERS = frozenset(
    (
        *("access_token", "alt", "callback", "fields", "key", "oauth_token", "prettyPrint"),
        *("quotaUser", "uploadType", "upload_protocol", "userIp", "harness-project"),
    )
)
"""Of every method; `harness-project` is ours."""


def snake_case(name: str) -> str:
    """Return a name as the message definition spells it."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def check_parameters(rpc: str, names: Iterable[str]) -> None:
    """Refuse a query parameter that the method does not have.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    known = _PARAMETERS.get(rpc, ())
    for name in names:
        # `$alt`, `$httpHeaders`: another spelling of what every method has.
        if name in known or name in _SYSTEM_PARAMETERS or name.startswith("$"):
            continue
        if name in map(snake_case, known):
            continue
        if any(each.partition(".")[0] == name for each in known if "." in each):
            reason = f"'{snake_case(name)}' is a message type."
        else:
            reason = f"Field '{name}' could not be found in request message."
        raise _refused(f'Unknown name "{name}": Cannot bind query parameter. {reason}')


def check_names(content: Any, descriptor: Any, path: str = "") -> None:
    """Refuse the first name that a message lacks, and the first word that is none of an enum's.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    if not isinstance(content, dict):
        return
    fields = {field.name: field for field in descriptor.fields}
    fields |= {field.json_name: field for field in descriptor.fields}
    for name, value in content.items():
        field = fields.get(name)
        if field is None:
            where = f" at '{path}'" if path else ""
            raise _refused(f'Unknown name "{name}"{where}: Cannot find field.')
        _check_value(value, field, f"{path}.{field.name}" if path else field.name)


def _check_value(value: Any, field: Any, path: str) -> None:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        kind = message.fields_by_name["value"].message_type
        if kind is not None and isinstance(value, dict):
            for number, content in enumerate(value.values()):
                check_names(content, kind, f"{path}[{number}].value")
        return
    for number, each in enumerate(value if isinstance(value, list) else [value]):
        where = f"{path}[{number}]" if isinstance(value, list) else path
        if message is not None:
            # Of what has a form of its own in JSON (a time, a number), none is an object but this.
            if message.full_name != "google.protobuf.Struct":
                check_names(each, message, where)
        elif field.enum_type is not None and isinstance(each, (str, int)):
            enum = field.enum_type
            known = {word for value in enum.values for word in (value.name, value.number)}
            if each not in known:
                raise StatusError(
                    StatusCode.INVALID_ARGUMENT,
                    f"Invalid value at '{where}' (type.googleapis.com/{enum.full_name}), "
                    + (f'"{each}"' if isinstance(each, str) else str(each)),
                )


def _refused(problem: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, f"Invalid JSON payload received. {problem}")
