"""Dart members followed to the queries, documents, callables and objects that they use.

Chains are followed by what they build, not by declared types: `db.collection('groups')` is a
collection wherever `db` came from, and a query kept in a variable, a getter, a field or a helper
method is followed to the call that runs it. Where a value cannot be followed, the use is listed as
not understood: it is never left out in silence.

Source: API reference of the Flutter packages cloud_firestore, cloud_functions, firebase_storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from harness.flutter.contract import (
    ClientCallable,
    ClientContract,
    ClientDocument,
    ClientFilter,
    ClientObject,
    ClientOrder,
    ClientQuery,
    ClientValue,
    NotUnderstood,
    Placeholder,
    QueryRun,
)
from harness.flutter.dart import (
    Arguments,
    Assign,
    Chain,
    Closure,
    Compound,
    DartFile,
    Evaluate,
    Expression,
    Link,
    Literal,
    Member,
    Name,
    Return,
    Step,
    Text,
)

_MAX_ALTERNATIVES = 8
_MAX_DEPTH = 12

_WHERE_OPERATORS = {
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
_SAME_QUERY = frozenset(
    {"withConverter", "startAfterDocument", "startAtDocument", "endBeforeDocument"}
    | {"endAtDocument", "startAfter", "startAt", "endBefore", "endAt"}
)
_DOCUMENT_OPERATIONS = {
    "get": "get",
    "snapshots": "listen",
    "set": "set",
    "update": "update",
    "delete": "delete",
}
_STORAGE_OPERATIONS = {
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


def read_contract(files: Iterable[DartFile]) -> ClientContract:
    """Follow every chain of an app. Members are looked up across all the given files."""
    return _Reader(tuple(files)).read()


@dataclass(frozen=True, slots=True)
class _Database:
    pass


@dataclass(frozen=True, slots=True)
class _Functions:
    region: str | None = None


@dataclass(frozen=True, slots=True)
class _Object:
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Document:
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Query:
    segments: tuple[str, ...]
    is_collection_group: bool = False
    filters: tuple[ClientFilter, ...] = ()
    orders: tuple[ClientOrder, ...] = ()
    limit: int | Placeholder | None = None
    is_aggregation: bool = False


_Target: TypeAlias = "_Database | _Functions | _Object | _Document | _Query"
_Targets: TypeAlias = "tuple[_Target, ...]"
_Scope: TypeAlias = "dict[str, _Targets]"


@dataclass(slots=True)
class _Found:
    queries: dict[ClientQuery, None] = field(default_factory=dict)
    documents: dict[ClientDocument, None] = field(default_factory=dict)
    callables: dict[ClientCallable, None] = field(default_factory=dict)
    objects: dict[ClientObject, None] = field(default_factory=dict)
    not_understood: dict[NotUnderstood, None] = field(default_factory=dict)


class _Reader:
    """Walks each member once with recording on; members that it looks up are read silently."""

    def __init__(self, files: tuple[DartFile, ...]) -> None:
        self.files = files
        self.members: dict[tuple[str | None, str], Member] = {}
        for file in files:
            for member in file.members:
                self.members.setdefault((member.owner, member.name), member)
        self.owners = {owner for owner, _ in self.members if owner is not None}
        self.returned: dict[tuple[str | None, str], _Targets] = {}
        self.found = _Found()
        self.owner: str | None = None
        self.depth = 0
        self.is_recording = False

    def read(self) -> ClientContract:
        for file in self.files:
            for position in file.not_understood:
                self.found.not_understood[NotUnderstood(position, "this is not Dart")] = None
            for member in file.members:
                self.owner = member.owner
                self.is_recording = True
                self._run(member.steps, {})
        found = self.found
        return ClientContract(
            queries=tuple(found.queries),
            documents=tuple(found.documents),
            callables=tuple(found.callables),
            objects=tuple(found.objects),
            not_understood=tuple(found.not_understood),
        )

    def _run(self, steps: Iterable[Step], scope: _Scope) -> _Targets:
        """Follow the steps of a body; give back what it returns."""
        returned: _Targets = ()
        for step in steps:
            targets = self._follow(step.value, scope)
            if isinstance(step, Return):
                returned = _union(returned, targets)
            elif isinstance(step, Assign):
                name = step.name.removeprefix("this.")
                kept = () if step.is_declaration else scope.get(name, ())
                scope[name] = _union(kept, targets)
            else:
                assert isinstance(step, Evaluate)
        return returned

    def _follow(self, value: Expression, scope: _Scope) -> _Targets:
        match value:
            case Name(text):
                return self._name(text, scope)
            case Chain(head, links):
                return self._chain(head, links, scope)
            case Compound(parts):
                return _union(*(self._follow(part, scope) for part in parts))
            case Closure(steps):
                self._run(steps, dict(scope))
                return ()
            case Text(parts):
                for part in parts:
                    if not isinstance(part, str):
                        self._follow(part, scope)
                return ()
            case Literal():
                return ()

    def _name(self, name: str, scope: _Scope) -> _Targets:
        if name in scope:
            return scope[name]
        return self._member(self.owner, name) or self._member(None, name)

    def _member(self, owner: str | None, name: str) -> _Targets:
        key = (owner, name)
        if key not in self.returned:
            member = self.members.get(key)
            if member is None or self.depth >= _MAX_DEPTH:
                return ()
            self.returned[key] = ()  # a member that needs itself adds nothing
            outer = self.owner, self.is_recording, self.depth
            self.owner, self.is_recording, self.depth = owner, False, self.depth + 1
            self.returned[key] = self._run(member.steps, {})
            self.owner, self.is_recording, self.depth = outer
        return self.returned[key]

    def _chain(self, head: Expression, links: tuple[Link, ...], scope: _Scope) -> _Targets:
        targets, at = self._head(head, links, scope)
        while at < len(links):
            link = links[at]
            called = at + 1 < len(links) and links[at + 1].name is None
            if link.name is None:
                self._arguments(link.arguments or Arguments(), scope)
                at += 1
                continue
            if called:
                arguments = links[at + 1].arguments or Arguments()
                self._arguments(arguments, scope)
                targets = self._call(targets, link, arguments, scope)
                at += 2
            else:
                targets = self._property(targets, link.name)
                at += 1
        return targets

    def _head(
        self, head: Expression, links: tuple[Link, ...], scope: _Scope
    ) -> tuple[_Targets, int]:
        """What the chain starts from, and how many links that took."""
        if not isinstance(head, Name) or head.text in scope:
            return self._follow(head, scope), 0
        first = links[0]
        if head.text in {"this", "super"} and first.name is not None:
            return self._name(first.name, scope), 1
        if head.text in self.owners and first.name is not None:
            return self._member(head.text, first.name), 1
        match head.text:
            case "FirebaseFirestore":
                return (_Database(),), 1
            case "FirebaseFunctions":
                return (_Functions(self._region(links)),), 1
            case "FirebaseStorage":
                return (_Object(),), 1
        return self._name(head.text, scope), 0

    def _region(self, links: tuple[Link, ...]) -> str | None:
        for link in links[:2]:
            region = link.arguments.named.get("region") if link.arguments else None
            if region is not None:
                return self._words(region)
        return None

    def _arguments(self, arguments: Arguments, scope: _Scope) -> None:
        """Follow what a call is given, for the uses in it."""
        for value in (*arguments.positional, *arguments.named.values()):
            self._follow(value, scope)

    def _property(self, targets: _Targets, name: str) -> _Targets:
        if name in {"reference", "instance"}:
            return targets
        if name == "parent":
            return tuple(_Query(t.segments[:-1]) for t in targets if isinstance(t, _Document))
        return ()

    def _call(self, targets: _Targets, link: Link, arguments: Arguments, scope: _Scope) -> _Targets:
        name = link.name or ""
        if not targets:
            return self._call_on_unknown(link, name, arguments, scope)
        return _union(*(self._call_on(t, link, name, arguments, scope) for t in targets))

    def _call_on_unknown(
        self, link: Link, name: str, arguments: Arguments, scope: _Scope
    ) -> _Targets:
        """A call whose receiver was not followed: a parameter, a transaction, another package."""
        if name in {"collection", "collectionGroup"} and len(arguments.positional) == 1:
            return self._call_on(_Database(), link, name, arguments, scope)
        if name == "doc" and arguments.positional and len(self._path(arguments.positional[0])) > 1:
            return self._call_on(_Database(), link, name, arguments, scope)
        if name == "httpsCallable":
            return self._call_on(_Functions(), link, name, arguments, scope)
        if name == "ref" and len(arguments.positional) == 1:
            return self._call_on(_Object(), link, name, arguments, scope)
        if name in {"get", "set", "update", "delete"} and arguments.positional:
            # transaction.get(ref), batch.set(ref, data)
            for target in self._silently(arguments.positional[0], scope):
                if isinstance(target, _Document):
                    self._record_document(link, name, target)
        return ()

    def _call_on(
        self, target: _Target, link: Link, name: str, arguments: Arguments, scope: _Scope
    ) -> _Targets:
        first = arguments.positional[0] if arguments.positional else None
        match target:
            case _Database():
                return self._call_on_database(link, name, first)
            case _Functions(region):
                if name == "httpsCallable" and first is not None:
                    self._record_callable(link, first, region)
                return (target,) if name == "instanceFor" else ()
            case _Object(segments):
                return self._call_on_object(target, link, name, segments, first)
            case _Document(segments):
                if name == "collection" and first is not None:
                    return (_Query((*segments, *self._path(first))),)
                if name in _DOCUMENT_OPERATIONS:
                    self._record_document(link, name, target)
                    return ()
                return (target,) if name == "withConverter" else ()
            case _Query():
                return self._call_on_query(target, link, name, arguments, first)

    def _call_on_database(self, link: Link, name: str, first: Expression | None) -> _Targets:
        if first is None:
            return (_Database(),) if name == "instanceFor" else ()
        if name == "collection":
            return (_Query(self._path(first)),)
        if name == "collectionGroup":
            return (_Query(self._path(first), is_collection_group=True),)
        if name == "doc":
            return (_Document(self._path(first)),)
        return ()

    def _call_on_object(
        self,
        target: _Object,
        link: Link,
        name: str,
        segments: tuple[str, ...],
        first: Expression | None,
    ) -> _Targets:
        if name in {"ref", "child"}:
            added = self._path(first) if first is not None else ()
            return (_Object((*segments, *added)),)
        if name in _STORAGE_OPERATIONS and segments:
            if self.is_recording:
                operation = _STORAGE_OPERATIONS[name]
                self.found.objects[ClientObject(link.position, operation, segments)] = None
            return ()
        return (target,) if name == "instanceFor" else ()

    def _call_on_query(
        self,
        query: _Query,
        link: Link,
        name: str,
        arguments: Arguments,
        first: Expression | None,
    ) -> _Targets:
        match name:
            case "doc" if not query.filters and not query.is_collection_group:
                added = self._path(first) if first is not None else ("{id}",)
                return (_Document((*query.segments, *added)),)
            case "where" if first is not None:
                filters = tuple(self._filters(first, arguments, link))
                return (replace(query, filters=(*query.filters, *filters)),)
            case "orderBy" if first is not None:
                descending = arguments.named.get("descending") == Literal(True)
                order = ClientOrder(self._words(first), descending)
                return (replace(query, orders=(*query.orders, order)),)
            case "limit" | "limitToLast" if first is not None:
                limit = self._value(first)
                kept = limit if isinstance(limit, int) else Placeholder(self._placeholder(first))
                return (replace(query, limit=kept),)
            case "count" | "aggregate":
                return (replace(query, is_aggregation=True),)
            case "add":
                document = _Document((*query.segments, "{id}"))
                self._record_document(link, "set", document)
                return (document,)
            case "get" | "snapshots":
                self._record_query(link, name, query)
                return ()
            case _ if name in _SAME_QUERY:
                return (query,)
        return ()

    def _filters(
        self, first: Expression, arguments: Arguments, link: Link
    ) -> Iterator[ClientFilter]:
        if _is_filter_object(first):
            problem = "a Filter object (Filter.or, Filter.and) is not followed yet"
            self._record_problem(link, problem)
            return
        for label, value in arguments.named.items():
            operator = _WHERE_OPERATORS.get(label)
            if operator is None:
                self._record_problem(link, f"where(…, {label}:) is not known")
                continue
            if operator == "IS_NULL" and value == Literal(False):
                operator = "IS_NOT_NULL"
            yield ClientFilter(self._words(first), operator, self._value(value))

    def _record_query(self, link: Link, name: str, query: _Query) -> None:
        if not self.is_recording:
            return
        if any(segment.startswith("{") for segment in query.segments[::2]):
            self._record_problem(link, f"the collection {'/'.join(query.segments)} has no fixed id")
            return
        if query.is_aggregation:
            run = QueryRun.AGGREGATE
        else:
            run = QueryRun.LISTEN if name == "snapshots" else QueryRun.GET
        found = ClientQuery(
            position=link.position,
            run=run,
            segments=query.segments,
            is_collection_group=query.is_collection_group,
            filters=query.filters,
            orders=query.orders,
            limit=query.limit,
        )
        self.found.queries[found] = None

    def _record_document(self, link: Link, name: str, document: _Document) -> None:
        if self.is_recording:
            operation = _DOCUMENT_OPERATIONS[name]
            found = ClientDocument(link.position, operation, document.segments)
            self.found.documents[found] = None

    def _record_callable(self, link: Link, name: Expression, region: str | None) -> None:
        words = self._words(name)
        if words.startswith("{"):
            self._record_problem(link, f"the callable's name {words} is not fixed")
        elif self.is_recording:
            self.found.callables[ClientCallable(link.position, words, region)] = None

    def _record_problem(self, link: Link, problem: str) -> None:
        if self.is_recording:
            self.found.not_understood[NotUnderstood(link.position, problem)] = None

    def _silently(self, value: Expression, scope: _Scope) -> _Targets:
        recording, self.is_recording = self.is_recording, False
        targets = self._follow(value, scope)
        self.is_recording = recording
        return targets

    def _path(self, value: Expression) -> tuple[str, ...]:
        return tuple(part for part in self._words(value).split("/") if part)

    def _words(self, value: Expression) -> str:
        """A string expression's text, with `{name}` for what only the running app knows."""
        match value:
            case Text(parts):
                return "".join(p if isinstance(p, str) else self._words(p) for p in parts)
            case Literal(number):
                return str(number)
            case _:
                constant = self._constant(value)
                return constant if constant is not None else f"{{{self._placeholder(value)}}}"

    def _value(self, value: Expression) -> ClientValue:
        match value:
            case Literal(literal):
                return literal
            case Text(parts):
                words = self._words(value)
                fixed = all(isinstance(part, str) for part in parts)
                return words if fixed else Placeholder(words.strip("{}"))
            case Compound(parts) if parts:
                return tuple(self._value(part) for part in parts)
            case _ if (name := _enum_value_name(value)) is not None:
                return name
            case _:
                member = self._constant_member(value)
                if member is not None and isinstance(member.steps[0].value, Literal):
                    return member.steps[0].value.value
                constant = self._constant(value)
                return constant if constant is not None else Placeholder(self._placeholder(value))

    def _constant(self, value: Expression) -> str | None:
        member = self._constant_member(value)
        if member is None or not isinstance(member.steps[0].value, Text) or self.depth > _MAX_DEPTH:
            return None
        self.depth += 1
        words = self._words(member.steps[0].value)
        self.depth -= 1
        return words

    def _constant_member(self, value: Expression) -> Member | None:
        """The member that an expression names, if all it does is to return one value."""
        member: Member | None = None
        match value:
            case Name(text):
                member = self.members.get((self.owner, text)) or self.members.get((None, text))
            case Chain(Name(owner), (Link(name=str(name)), *_)):
                member = self.members.get((owner, name))
        if member is None or len(member.steps) != 1 or not isinstance(member.steps[0], Return):
            return None
        return member

    def _placeholder(self, value: Expression) -> str:
        match value:
            case Name(text):
                return text
            case Chain(head, links):
                names = [link.name for link in links if link.name is not None]
                # `category.name` is the text of an enum's value: the value is what it is about.
                if names == ["name"] or not names:
                    return self._placeholder(head)
                return names[-2] if names[-1] == "name" else names[-1]
            case Compound(parts) if parts:
                return self._placeholder(parts[-1])
            case _:
                return "value"


def _is_filter_object(value: Expression) -> bool:
    return isinstance(value, Chain) and value.head == Name("Filter")


def _enum_value_name(value: Expression) -> str | None:
    """The text of `Status.open.name`, which is "open".

    Source: Dart API reference, EnumName.name.
    """
    match value:
        case Chain(Name(enum), (Link(name=str(member), arguments=None), Link(name="name"))):
            return member if enum[:1].isupper() else None
    return None


def _union(*alternatives: _Targets) -> _Targets:
    """All alternatives, each once, in order; bounded, since branches multiply."""
    distinct = dict.fromkeys(target for targets in alternatives for target in targets)
    return tuple(distinct)[:_MAX_ALTERNATIVES]
