"""What a request is about, in one line for people: `update groups/home as alice`.

Texts from clients (ids, operands) are cut and their control characters written out, so that a
title can be printed anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.rules.display import display_text
from harness.rules.request import (
    FIRESTORE,
    STORAGE,
    Comparator,
    RulesAuth,
    RulesQuery,
    RulesRequest,
)

_LONGEST = 160
_DOCUMENTS = ("databases", "documents")
_NOBODY = "nobody"

_COMPARATORS = {
    Comparator.EQ: "==",
    Comparator.NEQ: "!=",
    Comparator.LT: "<",
    Comparator.LTE: "<=",
    Comparator.GT: ">",
    Comparator.GTE: ">=",
    Comparator.LIST_CONTAINS: "array-contains",
    Comparator.IN: "in",
    Comparator.NOT_IN: "not-in",
    Comparator.LIST_CONTAINS_ANY: "array-contains-any",
}


def request_title(requests: Sequence[RulesRequest]) -> str:
    """Return what a client asked for, given the questions that it needed answers to."""
    first = requests[0]
    if len(requests) == 1:
        return printable(f"{_what(first)} as {caller_name(first.auth)}", _LONGEST)
    each = ", ".join(_what(request) for request in requests[:3])
    more = f", … {len(requests) - 3} more" if len(requests) > 3 else ""
    return printable(
        f"{len(requests)} documents as {caller_name(first.auth)}: {each}{more}", _LONGEST
    )


def decision_title(request: RulesRequest) -> str:
    """Return what one question is about."""
    return request_title([request])


def caller_name(auth: RulesAuth | None) -> str:
    """Return who asks: the uid, or `nobody`."""
    if auth is None:
        return _NOBODY
    return auth.uid if auth.uid is not None else "a caller without uid"


def path_text(service: str, path: Sequence[str]) -> str:
    """Return a request's path without what is the same for all of them."""
    if service == FIRESTORE and tuple(path[0:3:2]) == _DOCUMENTS:
        below = "/".join(path[3:]) or "the root"
        return below if path[1] == "(default)" else f"{below} in database {path[1]}"
    if service == STORAGE and len(path) > 2 and path[0] == "b" and path[2] == "o":
        return "/".join(path[3:]) or "the bucket"
    return "/" + "/".join(path)


def printable(text: str, longest: int) -> str:
    """Return a text in one line without control characters, cut to so many characters."""
    if not text.isprintable():
        text = "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
            for char in text
        )
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _what(request: RulesRequest) -> str:
    words = [request.method.value]
    query = request.query
    if query is not None and query.all_descendants:
        below = path_text(request.service, query.parent)
        group = f"collection group {query.collection_id}"
        words.append(group if below == "the root" else f"{group} below {below}")
    else:
        words.append(path_text(request.service, request.path))
    if query is not None:
        words += _query_words(query)
    return " ".join(words)


def _query_words(query: RulesQuery) -> list[str]:
    words = []
    disjuncts = [
        " and ".join(
            f"{'.'.join(each.field)} {_COMPARATORS[each.comparator]} {display_text(each.value)}"
            for each in part
        )
        for part in query.disjuncts
    ]
    if any(disjuncts):
        words += ["where", " or ".join(disjuncts)]
    if query.order_by:
        orders = (
            f"{name} desc" if direction == "DESC" else name
            for name, direction in query.order_by.items()
        )
        words += ["order by", ", ".join(orders)]
    if query.limit is not None:
        words.append(f"limit {query.limit}")
    return words
