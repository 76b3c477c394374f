"""Names that mean something in an app's code: Firebase's own, and what variables are called.

Source: API reference of the Flutter packages cloud_firestore and firebase_storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from harness.flutter.dart import (
    Assign,
    Chain,
    Closure,
    Compound,
    Expression,
    Link,
    Member,
    Name,
    Step,
)

WHERE_OPERATORS = {
    "isEqualTo": "EQUAL",
    "isNotEqualTo": "NOT_EQUAL",
    "isLessThan": "LESS_THAN",
    "isLessThanOrEqualTo": "LESS_THAN_OR_EQUAL",
    "isGreaterThan": "GREATER_THAN",
    "isGreaterThanOrEqualTo": "GREATER_THAN_OR_EQUAL",
    "arrayContains": "ARRAY_CONTAINS",
    "arrayContainsAny": "ARRAY_CONTAINS_ANY",
    "whereIn": "IN",
    "whereNotIn": "NOT_IN",
    "isNull": "IS_NULL",
}
SAME_QUERY = frozenset(
    {"withConverter", "startAfterDocument", "startAtDocument", "endBeforeDocument"}
    | {"endAtDocument", "startAfter", "startAt", "endBefore", "endAt"}
)
DOCUMENT_OPERATIONS = {
    "get": "get",
    "snapshots": "listen",
    "set": "set",
    "update": "update",
    "delete": "delete",
}
STORAGE_OPERATIONS = {
    "putData": "create",
    "putFile": "create",
    "putString": "create",
    "putBlob": "create",
    "getData": "get",
    "getDownloadURL": "get",
    "getMetadata": "get",
    "writeToFile": "get",
    "updateMetadata": "update",
    "delete": "delete",
    "list": "list",
    "listAll": "list",
}
# What Firebase's own classes have: never taken for a member of the app with the same name.
FIREBASE_NAMES = (
    frozenset({"collection", "collectionGroup", "doc", "add", "where", "orderBy", "limit", "ref"})
    | {"limitToLast", "count", "aggregate", "httpsCallable", "child", "instance", "instanceFor"}
    | {"call", "then", "map", "listen", "forEach", "toList", "first", "last", "docs", "data"}
    | SAME_QUERY
    | frozenset(DOCUMENT_OPERATIONS)
    | frozenset(STORAGE_OPERATIONS)
)
ROW_PROPERTIES = frozenset(
    {"docs", "doc", "docChanges", "first", "last", "single", "firstOrNull", "lastOrNull"}
    | {"singleOrNull", "reversed"}
)
ROW_CALLS = frozenset(
    {"where", "toList", "take", "skip", "firstWhere", "lastWhere", "elementAt", "timeout"}
    | {"handleError", "skipWhile", "takeWhile", "distinct", "asBroadcastStream"}
)


def name_of(value: Expression) -> str | None:
    """What code calls the value."""
    return value.text if isinstance(value, Name) else last_name(value)


def last_name(value: Expression) -> str:
    """The last name in an expression: `reference` of `doc.reference`; empty for a call."""
    match value:
        case Name(text):
            return text
        case Chain(_, links):
            return links[-1].name or ""
        case Compound(parts) if parts:
            return last_name(parts[-1])
        case _:
            return ""


def is_reference(name: str) -> bool:
    """Whether code calls something a document reference; `ref` alone is Riverpod's or Storage's."""
    return name.endswith(("Ref", "_ref", "reference", "Reference")) and not name.endswith("Pref")


def closures(member: Member) -> Iterator[Closure]:
    """The first function literal in what a member returns."""
    yield from islice(_closures(member.steps), 1)


def assigned_names(steps: Iterable[Step]) -> Iterator[str]:
    """The names that steps set without declaring them, in function literals too."""
    waiting = [tuple(steps)]
    while waiting:
        current = waiting.pop()
        for step in current:
            if isinstance(step, Assign) and not step.is_declaration:
                yield step.name.removeprefix("this.")
        waiting += [closure.steps for closure in _closures(current)]


def _closures(steps: Iterable[Step]) -> Iterator[Closure]:
    """Function literals in steps, not those within others."""
    waiting: list[Expression] = [step.value for step in steps]
    while waiting:
        match waiting.pop(0):
            case Closure() as closure:
                yield closure
            case Compound(parts):
                waiting = [*parts, *waiting]
            case Chain(head, links):
                given = [link.arguments for link in links if link.arguments is not None]
                values = [v for a in given for v in (*a.positional, *a.named.values())]
                waiting = [head, *values, *waiting]
            case _:
                pass


def enum_value_name(value: Expression) -> str | None:
    """The text of `Status.open.name`, which is "open".

    Source: Dart API reference, EnumName.name.
    """
    match value:
        case Chain(Name(enum), (Link(name=str(member), arguments=None), Link(name="name"))):
            return member if enum[:1].isupper() else None
    return None
