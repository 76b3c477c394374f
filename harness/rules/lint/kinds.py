"""Of what kind (`int`, `string`, `map_diff`, ...) a term is, as far as the text tells.

`kinds_of` returns every kind that a term can be of, or None where the text does not tell: what is
in documents and claims can be anything.
"""

from __future__ import annotations

from typing import TypeAlias

from harness.rules.lint.terms import Op, Term, capture_of

Kinds: TypeAlias = frozenset[str] | None

_BOOL: Kinds = frozenset({"bool"})
_NUMBER: Kinds = frozenset({"int", "float"})
_LITERALS = {
    type(None): "null", bool: "bool", int: "int", float: "float", str: "string", bytes: "bytes",
}  # fmt: skip
_OF_REQUEST: dict[str, Kinds] = {
    "auth": frozenset({"map", "null"}),
    "method": frozenset({"string"}),
    "path": frozenset({"path"}),
    "time": frozenset({"timestamp"}),
}
_OF_QUERY: dict[str, Kinds] = {
    "limit": frozenset({"int", "null"}),
    "offset": frozenset({"int", "null"}),
}
_OF_TOKEN: dict[str, Kinds] = {
    "email": frozenset({"string"}),
    "email_verified": _BOOL,
    "phone_number": frozenset({"string"}),
    "name": frozenset({"string"}),
    "picture": frozenset({"string"}),
    "sub": frozenset({"string"}),
    "firebase": frozenset({"map"}),
}
# Members of a Firestore document and of a Storage object; neither has one that the other has in
# another meaning.
_OF_RESOURCE: dict[str, Kinds] = {
    "data": frozenset({"map"}),
    "id": frozenset({"string"}),
    "__name__": frozenset({"path"}),
    "name": frozenset({"string"}),
    "bucket": frozenset({"string"}),
    "size": frozenset({"int"}),
    "contentType": frozenset({"string", "null"}),
    "timeCreated": frozenset({"timestamp"}),
    "updated": frozenset({"timestamp"}),
}
_OF_METHODS: dict[str, Kinds] = {
    name: frozenset({kind})
    for kind, names in {
        "int": "size year month day dayOfWeek dayOfYear hours minutes seconds nanos toMillis",
        "bool": "matches hasAll hasAny hasOnly",
        "string": "lower upper trim replace join toBase64 toHexString",
        "list": "keys values split concat removeAll",
        "set": "toSet union intersection difference addedKeys removedKeys changedKeys "
        "unchangedKeys affectedKeys",
        "map_diff": "diff",
        "bytes": "toUtf8",
        "float": "latitude longitude distance",
        "path": "bind",
        "timestamp": "date",
        "duration": "time",
    }.items()
    for name in names.split()
}
_OF_FUNCTIONS: dict[str, Kinds] = {
    name: frozenset({kind})
    for kind, names in {
        "int": "int math.round",
        "float": "float math.sqrt math.pow math.ceil math.floor",
        "string": "string",
        "path": "path",
        "bool": "exists existsAfter firestore.exists math.isNaN",
        "timestamp": "timestamp.date timestamp.value",
        "duration": "duration.value duration.time duration.abs",
        "latlng": "latlng.value",
        "bytes": "hashing.crc32 hashing.crc32c hashing.md5 hashing.sha256",
    }.items()
    for name in names.split()
}
_LOGIC = frozenset({"&&", "||", "==", "!=", "<", "<=", ">", ">=", "in"})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%"})
# Operand kinds -> what they give. Source: Security Rules reference; the error texts of production.
_SUMS = {
    ("string", "string"): "string",
    ("duration", "duration"): "duration",
    ("duration", "timestamp"): "timestamp",
    ("timestamp", "duration"): "timestamp",
}
_DIFFERENCES = {
    ("duration", "duration"): "duration",
    ("timestamp", "duration"): "timestamp",
    ("timestamp", "timestamp"): "duration",
}
_ORDERED = frozenset({"string", "bytes", "duration", "timestamp"})


class KindBook:
    """Knows the kinds of terms, and remembers them."""

    def __init__(self) -> None:
        self._known: dict[Term, Kinds] = {}

    def of(self, term: Term) -> Kinds:
        """Return every kind that a term can be of; None: the text does not tell."""
        if term not in self._known:
            self._known[term] = self._find(term)
        return self._known[term]

    def _find(self, term: Term) -> Kinds:
        match term.op:
            case Op.LITERAL:
                return frozenset({_LITERALS[type(term.value)]})
            case Op.LIST:
                return frozenset({"list"})
            case Op.MAP:
                return frozenset({"map"})
            case Op.PATH:
                return frozenset({"path"})
            case Op.CAPTURE:
                capture = capture_of(term)
                return frozenset({"path" if capture and capture.recursive else "string"})
            case Op.NOT | Op.IS:
                return _BOOL
            case Op.MINUS:
                return self.of(term.parts[0])
            case Op.CONDITIONAL:
                first, second = self.of(term.parts[1]), self.of(term.parts[2])
                return None if first is None or second is None else first | second
            case Op.METHOD:
                return _OF_METHODS.get(str(term.value))
            case Op.CALL:
                return _OF_FUNCTIONS.get(str(term.value))
            case Op.MEMBER:
                return _of_member(term)
            case Op.BINARY if term.value in _LOGIC:
                return _BOOL
            case Op.BINARY:
                left, right = self.of(term.parts[0]), self.of(term.parts[1])
                return results(str(term.value), left, right) or None
        return None


def _of_member(term: Term) -> Kinds:
    receiver, name = term.parts[0], str(term.value)
    if receiver.op is Op.REQUEST:
        return _OF_REQUEST.get(name)
    if receiver.is_auth:
        return frozenset({"string"}) if name == "uid" else None
    if receiver.is_token:
        return _OF_TOKEN.get(name)
    if receiver.op is Op.RESOURCE or receiver.is_incoming:
        return _OF_RESOURCE.get(name)
    if receiver.is_member("query") and receiver.parts[0].op is Op.REQUEST:
        return _OF_QUERY.get(name)
    return None


def results(operator: str, left: Kinds, right: Kinds) -> Kinds:
    """Return the kinds that an arithmetic operator can give.

    Empty: it has no meaning for any of these kinds, and is always an error. None: not known.
    """
    if left is None or right is None:
        return None
    found: set[str] = set()
    table = {"+": _SUMS, "-": _DIFFERENCES}.get(operator, {})
    for first in left:
        for second in right:
            if {first, second} <= {"int", "float"}:
                found.add("int" if first == second == "int" else "float")
            elif (first, second) in table:
                found.add(table[first, second])
    return frozenset(found)


def is_arithmetic(operator: str) -> bool:
    """Say whether an operator calculates."""
    return operator in _ARITHMETIC


def can_be_ordered(left: Kinds, right: Kinds) -> bool:
    """Say whether `<` and its kin can have a meaning."""
    if left is None or right is None:
        return True
    has_numbers = bool(left & {"int", "float"} and right & {"int", "float"})
    return has_numbers or bool(left & right & _ORDERED)


def can_be_equal(left: Kinds, right: Kinds) -> bool:
    """Say whether `==` can be true. Whether something is null is always a fair question."""
    if left is None or right is None or "null" in left | right:
        return True
    has_numbers = bool(left & {"int", "float"} and right & {"int", "float"})
    return has_numbers or bool(left & right)
