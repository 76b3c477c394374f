"""ListDocuments: the documents of a collection page by page, in the order of an index."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from heapq import merge
from typing import TYPE_CHECKING

from harness.errors import StatusCode, StatusError
from harness.firestore.cost import Cost
from harness.firestore.documents import DocumentSnapshot
from harness.firestore.index_building import Entry
from harness.firestore.indexes import direct_documents
from harness.firestore.missing_index import MissingIndex
from harness.firestore.paths import ResourcePath, parse_field_path
from harness.firestore.planner import collection_of
from harness.firestore.query import NAME, Direction, Order, StructuredQuery
from harness.firestore.ranges import BOTTOM, TOP, NameSpace, successor
from harness.firestore.values import Timestamp

if TYPE_CHECKING:
    from harness.firestore.engine import QueryEngine


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page. A missing document that is shown has a path in `paths`, and no snapshot.

    `paths` holds every document of the page in order; `documents` those that exist, by path.
    `next_page_token` is empty after the last page.
    """

    paths: tuple[ResourcePath, ...]
    documents: dict[ResourcePath, DocumentSnapshot]
    next_page_token: str
    cost: Cost
    read_time: Timestamp


def list_documents(
    engine: QueryEngine,
    parent: ResourcePath,
    collection_id: str | None,
    *,
    page_size: int,
    page_token: str,
    order_by: str,
    show_missing: bool,
    at: Timestamp | None,
) -> ListPage:
    """Return one page of a collection's documents, or of all collections under the parent.

    A token comes with every full page, so the last page may be empty. A page size of 0 asks for
    everything.

    Raises:
        StatusError: INVALID_ARGUMENT for a bad request or token; FAILED_PRECONDITION if the order
            lacks its index.
    Source: observed: emulator 1.22.0.
    """
    if page_size < 0:
        raise _invalid("Page size must be nonnegative.")
    orders = parse_order_by(order_by)
    if show_missing and not collection_id:
        raise _invalid("collection id must be set when show_missing is true")
    if show_missing and orders and orders != (Order(NAME),):
        raise _invalid("order_by must not be set when show_missing is true")
    if not collection_id and orders and orders != (Order(NAME),):
        raise _invalid("kind is required for all orders except __key__ ascending")
    query = StructuredQuery(parent, collection_id or None, order_by=orders)
    plan = engine.plan(query)
    if isinstance(plan, MissingIndex):
        raise StatusError(StatusCode.FAILED_PRECONDITION, plan.message(engine.database.name))
    checksum = _checksum(parent, collection_id, order_by, show_missing)
    low = successor(_parse_token(page_token, checksum)) if page_token else BOTTOM
    (scan,) = plan.disjuncts[0].scans
    entries = engine.indexes.entries(scan.index, collection_of(query), at)
    found: Iterator[Entry]
    if collection_id:
        found = entries.scan(low, TOP)
    else:
        inside_low, inside_high = NameSpace(None).descendants(parent)
        found = direct_documents(entries, parent, max(low, inside_low), inside_high)
    if show_missing:
        names = NameSpace(parent.child(collection_id or ""))
        missing = (
            (names.key(path), path)
            for path in engine.database.missing_documents(parent.child(collection_id or ""))
        )
        found = merge(found, sorted(entry for entry in missing if entry[0] >= low))
    paths: list[ResourcePath] = []
    documents: dict[ResourcePath, DocumentSnapshot] = {}
    token = ""
    for key, path in found:
        document = engine.database.get(path, at)
        if document is not None:
            documents[path] = document
        paths.append(path)
        if page_size and len(paths) == page_size:
            token = _token(key, checksum)
            break
    cost = Cost(
        reads=max(1, len(paths)),
        index_entries_scanned=len(documents),
        minimum_charges=0 if paths else 1,
    )
    read_time = engine.database.last_commit_time if at is None else at
    return ListPage(tuple(paths), documents, token, cost, read_time)


def parse_order_by(text: str) -> tuple[Order, ...]:
    """Parse the orders of a ListDocuments request.

        order_by := order ("," order)*
        order    := field_path [" asc" | " desc"]

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    orders = []
    for part in text.split(",") if text.strip() else ():
        words = part.split()
        direction = Direction.ASCENDING
        if len(words) == 2 and words[1].lower() in ("asc", "desc"):
            if words[1].lower() == "desc":
                direction = Direction.DESCENDING
        elif len(words) != 1:
            raise _invalid(f"Invalid order by clause: {text}")
        orders.append(Order(parse_field_path(words[0]), direction))
    return tuple(orders)


def _checksum(*request: object) -> str:
    return sha256(json.dumps(request).encode()).hexdigest()[:16]


def _token(key: bytes, checksum: str) -> str:
    return urlsafe_b64encode(checksum.encode() + key).decode()


def _parse_token(token: str, checksum: str) -> bytes:
    try:
        content = urlsafe_b64decode(token.encode())
    except (binascii.Error, ValueError) as error:
        raise _invalid("Invalid page token.") from error
    if content[:16] != checksum.encode():
        raise _invalid("Page token does not belong to this request.")
    return content[16:]


def _invalid(message: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, message)
