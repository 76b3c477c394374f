"""JSON to protobuf messages, in the forms in which clients have sent it."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from harness.server.wire import pb

_TIME = "google.protobuf.Timestamp"
# How json_format fails, besides, on what it does not expect: 1e999 for an enum, a lone surrogate
# for a field's name.
_FAILURES = (ValueError, TypeError, AttributeError, OverflowError, RecursionError, SystemError)
_NUMBER = "google.protobuf.Int32Value"


def parse_message(content: dict[str, Any], message: Any, *, ignore_unknown_fields: bool) -> None:
    """Fill a message.

    What ProtoJSON spells in a form of its own, times and limits, may also come as the object that
    it is in the definition: the web SDK 7.0 sends both so.

    Raises:
        ParseError: It is no such message.
    """
    try:
        try:
            json_format.ParseDict(content, message, ignore_unknown_fields=ignore_unknown_fields)
        except json_format.ParseError:
            rewritten = _in_own_forms(content, message.DESCRIPTOR)
            if rewritten == content:
                raise
            message.Clear()
            json_format.ParseDict(rewritten, message, ignore_unknown_fields=ignore_unknown_fields)
    except _FAILURES as error:
        raise json_format.ParseError(str(error)) from error


def _in_own_forms(content: Any, descriptor: Any) -> Any:
    if isinstance(content, list):
        return [_in_own_forms(each, descriptor) for each in content]
    if not isinstance(content, dict):
        return content
    if descriptor.full_name == _NUMBER:
        return content["value"] if content.keys() == {"value"} else content
    if descriptor.full_name == _TIME:
        if not content.keys() <= {"seconds", "nanos"}:
            return content
        time = pb.Timestamp(
            seconds=int(content.get("seconds", 0)), nanos=int(content.get("nanos", 0))
        )
        return time.ToJsonString()
    rewritten = {}
    for name, value in content.items():
        field = descriptor.fields_by_camelcase_name.get(name) or descriptor.fields_by_name.get(name)
        kind = None if field is None else field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            kind = kind.fields_by_name["value"].message_type
            if kind is not None and isinstance(value, dict):
                value = {key: _in_own_forms(each, kind) for key, each in value.items()}
        elif kind is not None:
            value = _in_own_forms(value, kind)
        rewritten[name] = value
    return rewritten
