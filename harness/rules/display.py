"""Rules values as people read them: in messages and explanations. Never read back by a program."""

from __future__ import annotations

from harness.rules.values import (
    Constraint,
    RulesDuration,
    RulesLatLng,
    RulesPath,
    RulesSet,
    RulesTimestamp,
    RulesValue,
    float_text,
)

_ITEMS = 8
_TEXT = 80


def display_text(value: RulesValue) -> str:
    """Return a value in the notation of rules where it has one; long texts and lists are cut."""
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
        return f"[{_listed([display_text(item) for item in value[:_ITEMS]], len(value))}]"
    if isinstance(value, dict):
        shown = [f"'{key}': {display_text(value[key])}" for key in sorted(value)[:_ITEMS]]
        return f"{{{_listed(shown, len(value))}}}"
    if isinstance(value, RulesSet):
        members = list(value)
        shown = [display_text(item) for item in members[:_ITEMS]]
        return f"set({_listed(shown, len(members))})"
    if isinstance(value, Constraint):
        return f"resource.data.{'.'.join(value.field)}"
    if isinstance(value, RulesPath):
        return str(value)
    if isinstance(value, RulesTimestamp):
        return f"timestamp({value.nanos} ns)"
    if isinstance(value, RulesDuration):
        return f"duration({value.nanos} ns)"
    if isinstance(value, RulesLatLng):
        return f"latlng({float_text(value.latitude)}, {float_text(value.longitude)})"
    return "a map diff"


def _listed(shown: list[str], count: int) -> str:
    more = [f"… {count - _ITEMS} more"] if count > _ITEMS else []
    return ", ".join([*shown, *more])
