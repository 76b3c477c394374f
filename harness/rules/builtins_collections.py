"""Methods of List, Set, Map and MapDiff."""

from __future__ import annotations

from collections.abc import Sequence

from harness.rules import limits
from harness.rules.builtins_numbers import text_of
from harness.rules.runtime import EvaluationStopped, bounded
from harness.rules.signatures import Overload, method, unsupported
from harness.rules.values import (
    MapDiff,
    RulesSet,
    RulesValue,
    is_element,
    kind_name,
    membership_key,
    same_by_value,
)

_List = Sequence[RulesValue]
_Map = dict[str, RulesValue]

# --- List -------------------------------------------------------------------------------------


class _Elements:
    """A list's elements, so that many look-ups of strings do not each walk it."""

    __slots__ = ("others", "strings")

    def __init__(self, items: _List) -> None:
        self.strings = {item for item in items if type(item) is str}
        self.others = [item for item in items if type(item) is not str]

    def __contains__(self, value: RulesValue) -> bool:
        if type(value) is str:
            return value in self.strings
        return is_element(value, self.others)


def _list_has_all(receiver: _List, wanted: _List) -> bool:
    elements = _Elements(receiver)
    return all(item in elements for item in wanted)


def _list_has_any(receiver: _List, wanted: _List) -> bool:
    elements = _Elements(receiver)
    return any(item in elements for item in wanted)


def _list_has_only(receiver: _List, allowed: _List) -> bool:
    """Say whether every element of the receiver is allowed: a subset test, repeats ignored
    (measured).
    """
    elements = _Elements(allowed)
    return all(item in elements for item in receiver)


def _remove_all(receiver: _List, unwanted: _List) -> list[RulesValue]:
    elements = _Elements(unwanted)
    return [item for item in receiver if item not in elements]


def _join(receiver: _List, separator: str) -> RulesValue:
    texts = [text_of(item) for item in receiver]
    if sum(map(len, texts)) + len(separator) * len(texts) > limits.TEXT_LENGTH:
        raise EvaluationStopped(limits.MEMORY_TEXT)
    return separator.join(texts)


def _concat(receiver: _List, other: _List) -> RulesValue:
    return bounded([*receiver, *other])


# --- Set --------------------------------------------------------------------------------------


def _keys(other: _List | RulesSet) -> set[object]:
    if isinstance(other, RulesSet):
        return set(other.members)
    return {membership_key(item) for item in other}


def _union(receiver: RulesSet, other: RulesSet) -> RulesSet:
    return RulesSet.of_members(receiver.members | other.members)


def _intersection(receiver: RulesSet, other: RulesSet) -> RulesSet:
    return RulesSet.of_members(
        {key: value for key, value in receiver.members.items() if key in other.members}
    )


def _difference(receiver: RulesSet, other: RulesSet) -> RulesSet:
    # The reference's prose has it the other way round; its example and the emulator are as here.
    return RulesSet.of_members(
        {key: value for key, value in receiver.members.items() if key not in other.members}
    )


# --- Map --------------------------------------------------------------------------------------


def _map_get(receiver: _Map, key: str | _List, default: RulesValue) -> RulesValue:
    if isinstance(key, str):
        return receiver.get(key, default)
    value: RulesValue = receiver
    for step in key:
        if not isinstance(step, str):
            raise unsupported(f"map.get(list[{kind_name(step)}])", "map.get(list[string])")
        if type(value) is not dict or step not in value:
            return default
        value = value[step]
    return value


def _values(receiver: _Map) -> list[RulesValue]:
    return [receiver[key] for key in sorted(receiver)]


# --- MapDiff ----------------------------------------------------------------------------------


def _names(keys: set[str]) -> RulesSet:
    return RulesSet.of_members({key: key for key in sorted(keys)})


def _in_both(diff: MapDiff, *, changed: bool) -> set[str]:
    before = diff.before
    return {
        key
        for key, value in diff.after.items()
        if key in before and same_by_value(value, before[key]) is not changed
    }


def _affected(diff: MapDiff) -> RulesSet:
    return _names((diff.after.keys() ^ diff.before.keys()) | _in_both(diff, changed=True))


METHODS: tuple[Overload, ...] = (
    method("list", "size", "", len),
    method("list", "concat", "list", _concat),
    method("list", "hasAll", "list", _list_has_all),
    method("list", "hasAny", "list", _list_has_any),
    method("list", "hasOnly", "list", _list_has_only),
    method("list", "join", "string", _join),
    method("list", "removeAll", "list", _remove_all),
    method("list", "toSet", "", RulesSet),
    method("set", "size", "", len),
    method(
        "set", "hasAll", "set|list", lambda receiver, other: _keys(other) <= receiver.members.keys()
    ),
    method(
        "set",
        "hasAny",
        "set|list",
        lambda receiver, other: not receiver.members.keys().isdisjoint(_keys(other)),
    ),
    method(
        "set",
        "hasOnly",
        "set|list",
        lambda receiver, other: receiver.members.keys() <= _keys(other),
    ),
    method("set", "union", "set", _union),
    method("set", "intersection", "set", _intersection),
    method("set", "difference", "set", _difference),
    method("map", "size", "", len),
    method("map", "keys", "", sorted),
    method("map", "values", "", _values),
    method("map", "get", "string|list, any", _map_get),
    method("map", "diff", "map", MapDiff),
    method(
        "map_diff", "addedKeys", "", lambda diff: _names(diff.after.keys() - diff.before.keys())
    ),
    method(
        "map_diff", "removedKeys", "", lambda diff: _names(diff.before.keys() - diff.after.keys())
    ),
    method("map_diff", "changedKeys", "", lambda diff: _names(_in_both(diff, changed=True))),
    method("map_diff", "unchangedKeys", "", lambda diff: _names(_in_both(diff, changed=False))),
    method("map_diff", "affectedKeys", "", _affected),
)
