"""Example documents of a ruleset, one for each of its `match` blocks, and which requests it grants
to whoever is not signed in.

For checks that are to work on any project: what a ruleset is about is in its text.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.example_fields import EXAMPLE_FIELD
from harness.rules import nodes
from harness.rules.request import FIRESTORE, Method, RulesRequest, RulesResource
from harness.rules.ruleset import CompiledRuleset
from harness.rules.runtime import NO_DOCUMENTS
from harness.rules.values import RulesPath, RulesTimestamp

EXAMPLE = "example"
"""Stands for whatever a wildcard matches."""
NEW = "new"
"""The id of a document that is not there yet."""

_ROOT = ("databases", "(default)", "documents")
_ROOT_LENGTH = len(_ROOT)
_BEFORE = {EXAMPLE_FIELD: True}
_AFTER = {EXAMPLE_FIELD: False}


def example_documents(ruleset: CompiledRuleset) -> tuple[str, ...]:
    """Return paths of documents, such as `users/example/posts/example`, one for each pattern for
    Firestore documents that allows something, in the order of the text."""
    found: dict[str, None] = {}
    for block in ruleset.tree.body:
        if isinstance(block, nodes.ServiceBlock) and block.name == FIRESTORE:
            for match in _matches(block.body):
                found |= dict.fromkeys(_examples(match, ()))
    return tuple(found)


def public_requests(ruleset: CompiledRuleset, now: RulesTimestamp) -> tuple[tuple[str, str], ...]:
    """Return what the rules allow somebody who is not signed in to do with the example documents:
    pairs of method and document.

    The documents hold one field that no rules know: what depends on data is not granted here.

    Args:
        ruleset: The rules.
        now: When it is asked.
    """
    return tuple(
        (method.value, document)
        for document in example_documents(ruleset)
        for method in Method
        if ruleset.decide(_request(method, document, now), NO_DOCUMENTS).allowed
    )


def _request(method: Method, document: str, now: RulesTimestamp) -> RulesRequest:
    path = (*_ROOT, *document.split("/"))
    if method is Method.LIST:
        return RulesRequest(FIRESTORE, method, path[:-1], None, now)
    if method is Method.CREATE:
        path = (*path[:-1], NEW)
    before = None if method is Method.CREATE else RulesResource(_BEFORE, RulesPath(path))
    is_write = method in (Method.CREATE, Method.UPDATE)
    after = RulesResource(_AFTER, RulesPath(path)) if is_write else None
    return RulesRequest(FIRESTORE, method, path, None, now, before, after)


def _matches(body: tuple[object, ...]) -> Iterator[nodes.MatchBlock]:
    for part in body:
        if isinstance(part, nodes.MatchBlock):
            yield part


def _examples(match: nodes.MatchBlock, above: tuple[str, ...]) -> Iterator[str]:
    path = (*above, *_segments(match.pattern, len(above)))
    inside = path[_ROOT_LENGTH:]
    if (
        inside
        and len(inside) % 2 == 0
        and any(isinstance(part, nodes.AllowStatement) for part in match.body)
    ):
        yield "/".join(inside)
    for part in _matches(match.body):
        yield from _examples(part, path)


def _segments(pattern: nodes.PathPattern, above: int) -> Iterator[str]:
    """Yield a name for each segment; `{rest=**}` stands for a document in a collection, or for as
    much as makes one."""
    at = above
    for segment in pattern.segments:
        if isinstance(segment, nodes.LiteralSegment):
            names: tuple[str, ...] = (segment.text,)
        elif isinstance(segment, nodes.RecursiveWildcard):
            names = (EXAMPLE,) * (1 if (at - _ROOT_LENGTH) % 2 else 2)
        else:
            names = (EXAMPLE,)
        at += len(names)
        yield from names
