"""One request made into another: elsewhere, by another method, by and about somebody else; and the
documents around it made to fit.

Which of them are worth asking is decided in `neighbours.py`.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from harness.review.other_values import mentions
from harness.rules.recorded import DocumentPath, RecordedDocuments
from harness.rules.request import (
    FIRESTORE,
    STORAGE,
    Comparator,
    Method,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.values import RulesPath, RulesValue

Data: TypeAlias = Mapping[str, RulesValue]
"""Fields of a document, or properties of an object."""

PATH_HEAD = 3
"""Where a path's first collection, or an object's name, begins: behind `databases`, the database
and `documents`, or `b`, the bucket and `o`."""


# --- documents and objects --------------------------------------------------------------------


def data_of(resource: RulesResource | Data | None) -> Data | None:
    """Return the fields of a document, or the properties of an object."""
    return resource.data if isinstance(resource, RulesResource) else resource


def resource_like(
    request: RulesRequest, path: DocumentPath, data: Data | None
) -> RulesResource | Data | None:
    """Make `resource` or `request.resource` as the request's service has them."""
    if data is None or request.service == STORAGE:
        return data
    return RulesResource(data, RulesPath(path))


def moved(request: RulesRequest, path: DocumentPath) -> RulesRequest:
    """Return the request for another path; the document or object there is as it is here."""
    query = request.query
    if query is not None and not query.all_descendants:
        # A query of all collections of a document has the document's path.
        whole = query.collection_id is None
        parent, last = (path, None) if whole else (path[:-1], path[-1])
        query = replace(query, parent=parent, collection_id=last)
    before, after = data_of(request.resource), data_of(request.new_resource)
    if request.service == STORAGE:
        before, after = _renamed(before, path), _renamed(after, path)
    return replace(
        request,
        path=path,
        resource=resource_like(request, path, before),
        new_resource=resource_like(request, path, after),
        query=query,
    )


def _renamed(properties: Data | None, path: DocumentPath) -> Data | None:
    if properties is None or "name" not in properties:
        return properties
    return {**properties, "name": "/".join(path[PATH_HEAD:])}


def rebased(after: Data, before: Data, other: Data) -> Data:
    """Return what an update of one document makes of another one: it leaves alone the same
    fields.
    """
    kept = {
        name: value
        for name, value in after.items()
        if name not in before or value != before[name] or type(value) is not type(before[name])
    }
    dropped = before.keys() - after.keys()
    rest = {name: value for name, value in other.items() if name not in dropped}
    return {**rest, **kept}


def list_of_collection(request: RulesRequest) -> RulesRequest:
    """Return the list that a request's document or object would be in."""
    path = request.path[:-1]
    is_object = request.service == STORAGE
    return replace(
        request,
        method=Method.LIST,
        path=path,
        resource=None,
        new_resource=None,
        # Bounded, as well-made clients and rules have it.
        query=None if is_object else RulesQuery(path[:-1], path[-1], limit=10),
        delimiter="/" if is_object else None,
    )


def other_methods(
    request: RulesRequest, documents: RecordedDocuments
) -> Iterator[tuple[Method, Data | None, Data | None]]:
    """Yield the other methods, each with the document before and after."""
    before, after = data_of(request.resource), data_of(request.new_resource)
    is_object = request.service == STORAGE
    if request.method is Method.LIST:
        there = _matching(request, documents)
        yield Method.GET, there, None
        if len(request.path) % 2 == 0 or is_object:
            yield Method.DELETE, there, None
        return
    content = before if after is None else after
    if request.method is not Method.DELETE:
        yield Method.DELETE, content, None
    if content is not None and request.method is not Method.UPDATE:
        yield Method.UPDATE, content, content
    if request.method is not Method.CREATE:
        yield Method.CREATE, None, content if content is not None else {}
    elif is_object and before is None:
        # An upload onto an object is a create too.
        yield Method.CREATE, after, after
    if request.method is not Method.GET:
        yield Method.GET, before if before is not None else after, None
    if len(request.path) > PATH_HEAD:
        yield Method.LIST, None, None


def _matching(request: RulesRequest, documents: RecordedDocuments) -> Data:
    """Return a document that a query could find: a recorded one of its collection, else one made
    of its filters.
    """
    query = request.query
    if query is not None:
        for disjunct in query.disjuncts:
            found: dict[str, RulesValue] = {
                each.field[0]: [each.value]
                if each.comparator is Comparator.LIST_CONTAINS
                else each.value
                for each in disjunct
                if len(each.field) == 1
                and each.comparator in (Comparator.EQ, Comparator.LIST_CONTAINS)
            }
            if found:
                return found
    for path, data in documents.before.items():
        if path[:-1] == request.path:
            return data
    return {}


# --- the documents around a request -----------------------------------------------------------


def with_document(
    documents: RecordedDocuments, path: DocumentPath, data: Data
) -> RecordedDocuments:
    """Return the documents with one more, or another one."""
    # A view, since a recorded database can be large.
    before = ChainMap({path: data}, documents.before)  # type: ignore[arg-type]
    return replace(documents, before=before, missing=documents.missing - {path})


def without_document(documents: RecordedDocuments, path: DocumentPath) -> RecordedDocuments:
    """Return the documents with one that is known to be missing."""
    before = documents.before
    if path in before:
        before = {key: data for key, data in before.items() if key != path}
    missing = documents.missing if documents.is_complete else documents.missing | {path}
    return replace(documents, before=before, missing=missing)


def with_own_document(documents: RecordedDocuments, request: RulesRequest) -> RecordedDocuments:
    """Return the documents as they are when a request is made: its own one as it says."""
    if request.service != FIRESTORE or request.method is Method.LIST:
        return documents
    path, before = request.path, data_of(request.resource)
    if before is None:
        if path in documents.before or not documents.is_complete:
            documents = without_document(documents, path)
    elif documents.before.get(path) is not before:
        documents = with_document(documents, path, before)
    after = data_of(request.new_resource)
    if request.method in (Method.CREATE, Method.UPDATE, Method.DELETE):
        return replace(documents, after={**documents.after, path: after})
    return documents


# --- people -----------------------------------------------------------------------------------


def about(request: RulesRequest, own: str, other: str, caller: RulesAuth) -> RulesRequest:
    """Return a request by somebody else that speaks of them as it spoke of its caller."""
    path = tuple(_put(own, other, segment) for segment in request.path)
    query = request.query
    if query is not None:
        disjuncts = tuple(
            tuple(replace(each, value=_renaming(each.value, own, other)) for each in disjunct)
            for disjunct in query.disjuncts
        )
        query = replace(query, disjuncts=disjuncts)
    before, after = data_of(request.resource), data_of(request.new_resource)
    if path != request.path and before is not None:
        before = _renaming_all(before, own, other)
    if after is not None:
        after = _renaming_all(after, own, other)
    other_request = replace(
        request,
        auth=caller,
        resource=resource_like(request, path, before),
        new_resource=resource_like(request, path, after),
        query=query,
    )
    return moved(other_request, path) if path != request.path else other_request


def _renaming_all(data: Data, own: str, other: str) -> Data:
    return {key: _renaming(value, own, other) for key, value in data.items()}


def _renaming(value: RulesValue, own: str, other: str) -> RulesValue:
    if isinstance(value, str):
        return _put(own, other, value)
    if isinstance(value, (list, tuple)):
        return [_renaming(item, own, other) for item in value]
    if type(value) is dict:
        return {_put(own, other, key): _renaming(item, own, other) for key, item in value.items()}
    return value


def _put(own: str, other: str, text: str) -> str:
    return text.replace(own, other) if mentions(text, own) else text


def differs_in_content(one: RulesRequest, other: RulesRequest) -> bool:
    """Say whether two requests differ in more than who asks."""
    return (
        one.path != other.path
        or one.query != other.query
        or data_of(one.new_resource) != data_of(other.new_resource)
    )
