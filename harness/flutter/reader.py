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
from harness.flutter.names import (
    DOCUMENT_OPERATIONS,
    ROW_CALLS,
    ROW_PROPERTIES,
    SAME_QUERY,
    STORAGE_OPERATIONS,
    WHERE_OPERATORS,
    assigned_names,
    closures,
    is_reference,
    last_name,
    name_of,
)
from harness.flutter.targets import (
    DatabaseTarget,
    DocumentTarget,
    FunctionsTarget,
    Lost,
    ObjectTarget,
    QueryTarget,
    RealtimeTarget,
    Row,
    Target,
    document_of,
    is_in_group,
    is_open,
)
from harness.flutter.texts import TextReader

_MAX_ALTERNATIVES = 8
_MAX_DEPTH = 12


def read_contract(files: Iterable[DartFile]) -> ClientContract:
    """Follow every chain of an app. Members are looked up across all the given files."""
    return _Reader(tuple(files)).read()


_Targets: TypeAlias = "tuple[Target, ...]"
_Scope: TypeAlias = "dict[str, _Targets]"


@dataclass(slots=True)
class _Found:
    queries: dict[ClientQuery, None] = field(default_factory=dict)
    documents: dict[ClientDocument, None] = field(default_factory=dict)
    callables: dict[ClientCallable, None] = field(default_factory=dict)
    objects: dict[ClientObject, None] = field(default_factory=dict)
    not_understood: dict[NotUnderstood, None] = field(default_factory=dict)


class _Reader(TextReader):
    """Walks each member once with recording on; members that it looks up are read silently."""

    def __init__(self, files: tuple[DartFile, ...]) -> None:
        super().__init__(files)
        self.files = files
        self.file_names = [file.file_name for file in files]
        self.returned: dict[tuple[str | None, str], _Targets] = {}
        # The members that set a field which none of them declares with a value.
        self.setters: dict[tuple[str | None, str], list[Member]] = {}
        late = frozenset[tuple[str, str]]().union(*(file.late_fields for file in files))
        for member in self.members.values() if late else ():
            for name in dict.fromkeys(assigned_names(member.steps)):
                if (member.owner, name) in late:
                    self.setters.setdefault((member.owner, name), []).append(member)
        # The name of a field whose values are looked for, and those that were found.
        self.wanted: tuple[str, list[_Targets]] | None = None
        self.returned_for: dict[tuple[object, ...], _Targets] = {}
        # The member that is walked.
        self.member: Member | None = None
        self.calls: dict[tuple[str | None, str], list[dict[str, str]]] = {}
        self.waiting: dict[tuple[str | None, str], list[NotUnderstood]] = {}
        self.found = _Found()
        self.depth = 0
        self.is_recording = False

    def read(self) -> ClientContract:
        for file in self.files:
            for position in file.not_understood:
                self.found.not_understood[NotUnderstood(position, "this is not Dart")] = None
            for member in file.members:
                self.owner, self.member = member.owner, member
                self.is_recording, self.bound = True, {}
                self._run(member.steps, {})
        self._follow_callers()
        found = self.found
        return ClientContract(
            queries=tuple(found.queries),
            documents=tuple(found.documents),
            callables=tuple(found.callables),
            objects=tuple(found.objects),
            not_understood=tuple(sorted(found.not_understood, key=self._order)),
        )

    def _order(self, found: NotUnderstood) -> tuple[int, int, int]:
        at = found.position
        return self.file_names.index(at.file_name), at.line, at.column or 0

    def _follow_callers(self) -> None:
        """Walk members whose paths are parameters once for each call of them."""
        for key, problems in self.waiting.items():
            calls = [dict(call) for call in dict.fromkeys(map(_frozen, self.calls.get(key, ())))]
            if not calls:
                self.found.not_understood.update(dict.fromkeys(problems))
            for call in calls:
                member = self.members[key]
                self.owner, self.member, self.bound = member.owner, None, call
                self._run(member.steps, {})
        self.bound = {}

    def _run(self, steps: Iterable[Step], scope: _Scope) -> _Targets:
        """Follow the steps of a body; give back what it returns."""
        returned: _Targets = ()
        for step in steps:
            targets = self._follow(step.value, scope)
            if isinstance(step, Return):
                returned = _union(returned, targets)
            elif isinstance(step, Assign):
                name = step.name.removeprefix("this.")
                if self.wanted is not None and self.wanted[0] == name:
                    self.wanted[1].append(targets)
                kept = () if step.is_declaration else scope.get(name, ())
                scope[name] = _union(kept, targets)
                self._keep_text(name, step)
            else:
                assert isinstance(step, Evaluate)
        return returned

    def _keep_text(self, name: str, step: Assign) -> None:
        """Remember `final path = 'users/$uid';`. A variable that is set again has no fixed text."""
        text: str | None = None
        if step.is_declaration:
            is_text = isinstance(step.value, Text)
            text = self.words(step.value) if is_text else self.known_text(step.value)
        self.bound = {key: kept for key, kept in self.bound.items() if key != name}
        if text is not None:
            self.bound[name] = text

    def _follow(self, value: Expression, scope: _Scope) -> _Targets:
        match value:
            case Name(text):
                return self._name(text, scope)
            case Chain(head, links):
                return self._chain(head, links, scope)
            case Compound(parts):
                return _union(*(self._follow(part, scope) for part in parts))
            case Closure(steps):
                return self._run(steps, dict(scope)) and ()
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
            if self.depth >= _MAX_DEPTH or (member is None and key not in self.setters):
                return ()
            self.returned[key] = ()  # a member that needs itself adds nothing
            self.returned[key] = self._set(key) if member is None else self._returned(member, {})
        return self.returned[key]

    def _set(self, key: tuple[str | None, str]) -> _Targets:
        """What a late field is set to, by whichever member of its class; nothing where one of them
        sets it to what is not followed.
        """
        found: list[_Targets] = []
        for member in self.setters[key]:
            self._returned(member, {}, wanted=(key[1], found))
        return _union(*found) if all(found) else ()

    def _returned(
        self,
        member: Member,
        bound: dict[str, str],
        *,
        wanted: tuple[str, list[_Targets]] | None = None,
    ) -> _Targets:
        """What a member returns, its parameters having these texts.

        Args:
            wanted: The name of a field, and where to put what the member sets it to.
        """
        outer = self.owner, self.is_recording, self.depth, self.bound, self.wanted
        self.wanted = wanted
        self.owner, self.is_recording, self.depth = member.owner, False, self.depth + 1
        self.bound = bound
        targets = self._run(member.steps, {})
        self.owner, self.is_recording, self.depth, self.bound, self.wanted = outer
        return targets

    def _called_member(self, owner: str | None, name: str, arguments: Arguments) -> _Targets:
        """What the app's own function returns for these arguments."""
        targets = self._member(owner, name)
        member = self.members.get((owner, name))
        if member is None or self.depth >= _MAX_DEPTH or not any(map(is_open, targets)):
            return targets
        bound = self.bindings(member, arguments)
        key = (owner, name, *sorted(bound.items()))
        if key not in self.returned_for:
            if member in self.inside:
                return targets
            self.inside.append(member)
            self.returned_for[key] = self._returned(member, bound)
            self.inside.pop()
        return self.returned_for[key]

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
                self._arguments(arguments, scope, tuple(t for t in targets if isinstance(t, Row)))
                receiver = links[at - 1].name if at else name_of(head)
                targets = self._call(targets, link, arguments, scope, receiver or "")
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
        following = links[1].arguments if len(links) > 1 and links[1].name is None else None
        if head.text in {"this", "super"} and first.name is not None:
            if first.name in scope:
                return scope[first.name], 1
            return self._own(first.name, following), 1
        if head.text in self.owners and first.name is not None:
            self._note_call(head.text, first.name, following)
            return self._called_member(head.text, first.name, following or Arguments()), 1
        if first.name is None and self._is_unowned(head.text):
            # In an extension of FirebaseFirestore or DocumentReference: `collection('users')`.
            arguments = first.arguments or Arguments()
            link = Link(first.position, head.text)
            return self._call((), link, arguments, scope, ""), 1
        match head.text:
            case "FirebaseFirestore":
                return (DatabaseTarget(),), 1
            case "FirebaseFunctions":
                return (FunctionsTarget(self._region(links)),), 1
            case "FirebaseStorage":
                return (ObjectTarget(),), 1
            case "FirebaseDatabase":
                return (RealtimeTarget(),), 1
        return self._own(head.text, first.arguments if first.name is None else None), 0

    def _is_unowned(self, name: str) -> bool:
        if name not in {"collection", "collectionGroup", "where", "orderBy", "snapshots"}:
            return False
        return (self.owner, name) not in self.members and (None, name) not in self.members

    def _own(self, name: str, arguments: Arguments | None) -> _Targets:
        """A member of the class that is walked, or of a file, called or not."""
        is_own = (self.owner, name) in self.members or (self.owner, name) in self.setters
        owner = self.owner if is_own else None
        self._note_call(owner, name, arguments)
        return self._called_member(owner, name, arguments or Arguments())

    def _note_call(self, owner: str | None, name: str, arguments: Arguments | None) -> None:
        member = self.members.get((owner, name))
        if member is None or arguments is None or not member.parameters or not self.is_recording:
            return
        self.calls.setdefault((owner, name), []).append(self.bindings(member, arguments))

    def _region(self, links: tuple[Link, ...]) -> str | None:
        for link in links[:2]:
            region = link.arguments.named.get("region") if link.arguments else None
            if region is not None:
                return self.words(region)
        return None

    def _arguments(self, arguments: Arguments, scope: _Scope, rows: _Targets = ()) -> None:
        """Follow what a call is given, for the uses in it.

        Args:
            rows: What a closure among them is called with: `snapshot.docs.forEach((doc) {…})`.
        """
        for value in (*arguments.positional, *arguments.named.values()):
            if rows and isinstance(value, Closure) and value.parameters:
                self._run(value.steps, {**scope, value.parameters[0]: rows})
            else:
                self._follow(value, scope)

    def _property(self, targets: _Targets, name: str) -> _Targets:
        if name in {"reference", "instance"}:
            return tuple(document_of(t) for t in targets if not is_in_group(t))
        if RealtimeTarget() in targets:
            return (RealtimeTarget(),)
        if name == "parent":
            return tuple(
                QueryTarget(t.segments[:-1]) for t in targets if isinstance(t, DocumentTarget)
            )
        if name in ROW_PROPERTIES:
            return tuple(t for t in targets if isinstance(t, Row))
        owner = self.only_owner(name)
        # `FirebaseFirestore.instance.users`, `repository.users`
        if owner is not None and all(isinstance(t, DatabaseTarget) for t in targets):
            return self._member(owner[0], name)
        return ()

    def _call(
        self, targets: _Targets, link: Link, arguments: Arguments, scope: _Scope, receiver: str
    ) -> _Targets:
        name = link.name or ""
        owner = self.only_owner(name)
        if owner is not None and not any(
            isinstance(t, QueryTarget | DocumentTarget) for t in targets
        ):
            self._note_call(owner[0], name, arguments)
            return self._called_member(owner[0], name, arguments)
        if owner is not None:
            self._record_problem(
                link, f"{name}(), an extension of Firestore's own, is not followed"
            )
            return (Lost(),)
        if not targets:
            return self._call_on_unknown(link, name, arguments, scope, receiver)
        return _union(*(self._call_on(t, link, name, arguments) for t in targets))

    def _call_on_unknown(
        self, link: Link, name: str, arguments: Arguments, scope: _Scope, receiver: str
    ) -> _Targets:
        """A call whose receiver was not followed: a parameter, a transaction, another package."""
        first = arguments.positional[0] if arguments.positional else None
        if name in {"collection", "collectionGroup"} and len(arguments.positional) == 1:
            return self._call_on(DatabaseTarget(), link, name, arguments)
        if name == "doc" and arguments.positional and len(self.path(arguments.positional[0])) > 1:
            return self._call_on(DatabaseTarget(), link, name, arguments)
        if name == "httpsCallable":
            return self._call_on(FunctionsTarget("{region}"), link, name, arguments)
        if name == "ref" and len(arguments.positional) == 1:
            return self._call_on(ObjectTarget(), link, name, arguments)
        if name in {"get", "set", "update", "delete"} and arguments.positional:
            # transaction.get(ref), batch.set(ref, data)
            targets = self._silently(arguments.positional[0], scope)
            documents = [target for target in targets if isinstance(target, DocumentTarget)]
            for document in documents:
                self._record_document(link, name, document)
            if not documents and is_reference(last_name(arguments.positional[0])):
                words = f"which document {name}() is given is not followed"
                self._record_problem(link, words, may_be_query=False)
        if name in DOCUMENT_OPERATIONS and is_reference(receiver):
            # Queries have get() and snapshots() too. A row's `.reference` is always a document.
            self._record_problem(
                link,
                f"which document {receiver}.{name}() is about is not followed",
                may_be_query=name in {"get", "snapshots"} and receiver != "reference",
            )
        elif name == "snapshots" and first is None:
            self._record_problem(link, "what snapshots() listens to is not followed")
        elif (name == "where" and arguments.named.keys() & WHERE_OPERATORS.keys()) or (
            name == "orderBy" and isinstance(first, Text)
        ):
            self._record_problem(link, f"the collection of this {name}() is not followed")
            return (Lost(),)
        elif name in {"putFile", "putData", "putString", "getDownloadURL"} and receiver != "ref":
            words = f"the Storage object of this {name}() is not followed"
            self._record_problem(link, words, may_be_query=False)
        elif name in {"watch", "read"} and isinstance(first, Name):
            return self._provided(first.text)
        return ()

    def _provided(self, name: str) -> _Targets:
        """What a Riverpod provider gives: `final users = Provider((ref) => db.collection('u'))`.

        Source: API reference of the package riverpod, Provider.
        """
        member = self.members.get((None, name))
        if member is None or self.depth >= _MAX_DEPTH:
            return ()
        steps = (step for closure in closures(member) for step in closure.steps)
        return self._returned(replace(member, steps=tuple(steps)), {})

    def _call_on(self, target: Target, link: Link, name: str, arguments: Arguments) -> _Targets:
        first = arguments.positional[0] if arguments.positional else None
        match target:
            case DatabaseTarget():
                return self._call_on_database(link, name, first)
            case FunctionsTarget(region):
                if name == "httpsCallable" and first is not None:
                    self._record_callable(link, first, region)
                return (target,) if name == "instanceFor" else ()
            case ObjectTarget(segments):
                return self._call_on_object(target, link, name, segments, first)
            case DocumentTarget(segments):
                if name == "collection" and first is not None:
                    return (QueryTarget((*segments, *self.path(first))),)
                if name in DOCUMENT_OPERATIONS:
                    self._record_document(link, name, target)
                    return (Row(segments),) if name in {"get", "snapshots"} else ()
                return (target,) if name == "withConverter" else ()
            case RealtimeTarget():
                return (target,)
            case Row():
                return (target,) if name in ROW_CALLS else ()
            case Lost():
                is_query = name in SAME_QUERY or name in {"where", "orderBy", "limit", "count"}
                return (target,) if is_query else ()
            case QueryTarget():
                return self._call_on_query(target, link, name, arguments, first)

    def _call_on_database(self, link: Link, name: str, first: Expression | None) -> _Targets:
        if first is None:
            return (DatabaseTarget(),) if name == "instanceFor" else ()
        if name == "collection":
            return (QueryTarget(self.path(first)),)
        if name == "collectionGroup":
            return (QueryTarget(self.path(first), is_collection_group=True),)
        if name == "doc":
            return (DocumentTarget(self.path(first)),)
        return ()

    def _call_on_object(
        self,
        target: ObjectTarget,
        link: Link,
        name: str,
        segments: tuple[str, ...],
        first: Expression | None,
    ) -> _Targets:
        if name in {"ref", "child"}:
            added = self.path(first) if first is not None else ()
            return (ObjectTarget((*segments, *added)),)
        if name in STORAGE_OPERATIONS and segments:
            parameters = self.member.parameters if self.member is not None else ()
            if segments in [(f"{{{name}}}",) for name in parameters]:
                self._record_open_path(link, "Storage object", segments)
            elif self.is_recording:
                operation = STORAGE_OPERATIONS[name]
                self.found.objects[ClientObject(link.position, operation, segments)] = None
            return ()
        return (target,) if name == "instanceFor" else ()

    def _call_on_query(
        self,
        query: QueryTarget,
        link: Link,
        name: str,
        arguments: Arguments,
        first: Expression | None,
    ) -> _Targets:
        match name:
            case "doc" if not query.filters and not query.is_collection_group:
                added = self.path(first) if first is not None else ("{id}",)
                return (DocumentTarget((*query.segments, *added)),)
            case "where" if first is not None:
                filters = tuple(self._filters(first, arguments, link))
                return (replace(query, filters=(*query.filters, *filters)),)
            case "orderBy" if first is not None:
                descending = arguments.named.get("descending") == Literal(True)
                order = ClientOrder(self.words(first), descending)
                return (replace(query, orders=(*query.orders, order)),)
            case "limit" | "limitToLast" if first is not None:
                limit = self.value(first)
                kept = limit if isinstance(limit, int) else Placeholder(self.placeholder(first))
                is_last = name == "limitToLast"
                return (replace(query, limit=kept, is_limit_to_last=is_last),)
            case "count" | "aggregate":
                return (replace(query, is_aggregation=True),)
            case "add":
                document = DocumentTarget((*query.segments, "{id}"))
                self._record_document(link, "set", document)
                return (document,)
            case "get" | "snapshots":
                self._record_query(link, name, query)
                return (Row((*query.segments, "{id}"), query.is_collection_group),)
            case _ if name in SAME_QUERY:
                return (query,)
        return ()

    def _filters(
        self, first: Expression, arguments: Arguments, link: Link
    ) -> Iterator[ClientFilter]:
        match first:
            case Chain(Name("Filter"), (Link(name=None, arguments=Arguments() as given),)):
                if given.positional:
                    yield from self._filters(given.positional[0], given, link)
                return
            case Chain(Name("Filter"), (Link(name="and"), Link(arguments=Arguments() as given))):
                for part in given.positional:
                    yield from self._filters(part, Arguments(), link)
                return
            case Chain(Name("Filter")):
                self._record_problem(link, "a Filter.or is not followed yet")
                return
            case _ if not arguments.named:
                self._record_problem(link, "a Filter kept elsewhere is not followed yet")
                return
        for label, value in arguments.named.items():
            operator = WHERE_OPERATORS.get(label)
            if operator is None:
                self._record_problem(link, f"where(…, {label}:) is not known")
                continue
            if operator == "IS_NULL" and value == Literal(False):
                operator = "IS_NOT_NULL"
            yield ClientFilter(self.words(first), operator, self.value(value))

    def _record_query(self, link: Link, name: str, query: QueryTarget) -> None:
        if not self.is_recording:
            return
        if is_open(query) or len(query.segments) % 2 == 0:
            self._record_open_path(link, "collection", query.segments)
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
            is_limit_to_last=query.is_limit_to_last,
        )
        self.found.queries[found] = None

    def _record_document(self, link: Link, name: str, document: DocumentTarget) -> None:
        if is_open(document) or len(document.segments) % 2:
            self._record_open_path(link, "document", document.segments)
        elif self.is_recording:
            operation = DOCUMENT_OPERATIONS[name]
            found = ClientDocument(link.position, operation, document.segments)
            self.found.documents[found] = None

    def _record_callable(self, link: Link, name: Expression, region: str | None) -> None:
        words = self.words(name)
        if words.startswith("{"):
            self._record_problem(link, f"the callable's name {words} is not fixed")
        elif self.is_recording:
            self.found.callables[ClientCallable(link.position, words, region)] = None

    def _record_open_path(self, link: Link, what: str, segments: tuple[str, ...]) -> None:
        """A path of which more than the ids of documents is not fixed."""
        problem = f"the {what} {'/'.join(segments)} has no fixed path"
        is_query = what == "collection"
        parameters = self.member.parameters if self.member is not None else ()
        if self.is_recording and any(f"{{{name}}}" in "/".join(segments) for name in parameters):
            # The callers may say more: see _follow_callers.
            assert self.member is not None
            key = self.member.owner, self.member.name
            self.waiting.setdefault(key, []).append(NotUnderstood(link.position, problem, is_query))
        else:
            self._record_problem(link, problem, may_be_query=is_query)

    def _record_problem(self, link: Link, problem: str, *, may_be_query: bool = True) -> None:
        if self.is_recording:
            found = NotUnderstood(link.position, problem, may_be_query)
            self.found.not_understood[found] = None

    def _silently(self, value: Expression, scope: _Scope) -> _Targets:
        recording, self.is_recording = self.is_recording, False
        targets = self._follow(value, scope)
        self.is_recording = recording
        return targets


def _frozen(call: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(call.items()))


def _union(*alternatives: _Targets) -> _Targets:
    """All alternatives, each once, in order; bounded, since branches multiply."""
    distinct = dict.fromkeys(target for targets in alternatives for target in targets)
    return tuple(distinct)[:_MAX_ALTERNATIVES]
