"""Rules values as people read them: in messages and explanations. Never read back by a program."""

from __future__ import annotations

from datetime import datetime, timedelta

from harness.rules.values import (
    NANOS_PER_SECOND,
    Constraint,
    PartialKeys,
    RulesDuration,
    RulesLatLng,
    RulesPath,
    RulesSet,
    RulesTimestamp,
    RulesValue,
    float_text,
)

_ITEMS = 8
_LEVELS = 4
_TEXT = 80
_EPOCH = datetime(1970, 1, 1)  # UTC, as all of the rules' times


def display_text(value: RulesValue, levels: int = _LEVELS) -> str:
    """Return a value in the notation of rules where it has one; long texts and lists are cut, and
    so is what is nested deeper than so many levels.
    """
    if isinstance(value, str):
        return f"'{value[: _TEXT - 1]}…'" if len(value) > _TEXT else f"'{value}'"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, bytes):
        octets = "".join(f"\\x{octet:02x}" for octet in value[:_ITEMS])
        return f"b'{octets}{'…' if len(value) > _ITEMS else ''}'"
    if isinstance(value, (list, tuple)):
        if value and not levels:
            return "[…]"
        shown = [display_text(item, levels - 1) for item in value[:_ITEMS]]
        return f"[{_listed(shown, len(value))}]"
    if isinstance(value, dict):
        if value and not levels:
            return "{…}"
        keys = sorted(value)[:_ITEMS]
        shown = [f"'{key}': {display_text(value[key], levels - 1)}" for key in keys]
        return f"{{{_listed(shown, len(value))}}}"
    if isinstance(value, RulesSet):
        members = list(value)
        if members and not levels:
            return "set(…)"
        shown = [display_text(item, levels - 1) for item in members[:_ITEMS]]
        return f"set({_listed(shown, len(members))})"
    if isinstance(value, Constraint):
        return f"resource.data.{'.'.join(value.field)}"
    if isinstance(value, PartialKeys):
        return f"keys with {display_text([*sorted(value.names)])}"
    if isinstance(value, RulesPath):
        return str(value)
    if isinstance(value, RulesTimestamp):
        return _time_text(value.nanos)
    if isinstance(value, RulesDuration):
        return f"{value.nanos / NANOS_PER_SECOND:.15g}s"
    if isinstance(value, RulesLatLng):
        return f"latlng({float_text(value.latitude)}, {float_text(value.longitude)})"
    return "a map diff"


def _time_text(nanos: int) -> str:
    """Return a moment as RFC 3339 writes it; not every one that rules can compute has a date."""
    seconds, rest = divmod(nanos, NANOS_PER_SECOND)
    try:
        date = (_EPOCH + timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return f"{nanos} ns since 1970"
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return f"{date}{fraction}Z"


def _listed(shown: list[str], count: int) -> str:
    more = [f"… {count - _ITEMS} more"] if count > _ITEMS else []
    return ", ".join([*shown, *more])
