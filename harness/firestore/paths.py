"""Names of databases, documents, collections and fields: parse, compare, print.

A path is a `str` subclass: it hashes, compares for equality and costs as a string does, which is
what the store does with it all day. Its *order* is not a string's: see `keys.path_key`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from harness.errors import StatusCode, StatusError
from harness.firestore import limits

_UNQUOTED_SEGMENT = "[a-zA-Z_][a-zA-Z_0-9]*"
_QUOTED_SEGMENT = r"`(?:[^`\\]|(?:\\.))+`"
_SIMPLE_FIELD_PATH = re.compile(rf"{_UNQUOTED_SEGMENT}(?:\.{_UNQUOTED_SEGMENT})*")
_FIELD_SEGMENT = re.compile(rf"({_UNQUOTED_SEGMENT})|({_QUOTED_SEGMENT})", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NUMERIC_ID = re.compile(r"__id([+-]?[0-9]+)__")
_INT64_MIN = -(2**63)
_INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class DatabaseName:
    """A database of a project. Prints as `projects/P/databases/D`."""

    project: str
    database: str = "(default)"

    def __str__(self) -> str:
        return f"projects/{self.project}/databases/{self.database}"


class ResourcePath(str):
    """The path of a document or collection below a database's `documents`, such as `users/ana`.

    The empty path is the root of the database. An even number of segments names a document, an odd
    number a collection. Ids cannot hold a slash, so the joined text is the path.
    """

    __slots__ = ()

    @property
    def segments(self) -> tuple[str, ...]:
        """The ids from the root down; none for the root."""
        return tuple(self.split("/")) if self else ()

    @property
    def is_root(self) -> bool:
        """Whether this is the root of the database."""
        return not self

    @property
    def is_document(self) -> bool:
        """Whether this names a document; the root is none."""
        return self.count("/") % 2 == 1

    @property
    def is_collection(self) -> bool:
        """Whether this names a collection."""
        return bool(self) and self.count("/") % 2 == 0

    @property
    def id(self) -> str:
        """The last segment: a document's or a collection's id. Empty for the root."""
        return self.rpartition("/")[2]

    @property
    def collection_id(self) -> str:
        """The id of the collection that this is, or that holds this document."""
        collection = self if self.count("/") % 2 == 0 else self.rpartition("/")[0]
        return collection.rpartition("/")[2]

    def parent(self) -> ResourcePath:
        """Return what holds this: a document's collection, a collection's document or the root."""
        return ResourcePath(self.rpartition("/")[0])

    def child(self, child_id: str) -> ResourcePath:
        """Return the path one id further down."""
        return ResourcePath(f"{self}/{child_id}" if self else child_id)

    def is_below(self, ancestor: str) -> bool:
        """Say whether this lies strictly below another path; everything lies below the root."""
        return self.startswith(f"{ancestor}/") if ancestor else bool(self)


ROOT = ResourcePath("")


class FieldPath(tuple[str, ...]):
    """A field path as its segments, unescaped: `` a.`b.c` `` is `("a", "b.c")`."""

    __slots__ = ()

    def __str__(self) -> str:
        return ".".join(map(_escape_segment, self))


DOCUMENT_ID_FIELD = FieldPath(("__name__",))


@lru_cache(maxsize=4096)
def _escape_segment(segment: str) -> str:
    if re.fullmatch(_UNQUOTED_SEGMENT, segment):
        return segment
    escaped = segment.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def parse_field_path(text: str) -> FieldPath:
    r"""Parse a dotted field path; segments that are not plain words stand in back quotes.

    Raises:
        StatusError: INVALID_ARGUMENT, with the emulator's words.
    Source: observed: emulator 1.22.0; proto comments of `StructuredQuery.FieldReference`.
    """
    if _SIMPLE_FIELD_PATH.fullmatch(text):
        return FieldPath(text.split("."))
    if not text:
        raise StatusError(StatusCode.INVALID_ARGUMENT, "Invalid empty property path string.")
    segments = []
    position = 0
    while True:
        match = _FIELD_SEGMENT.match(text, position)
        if match is None:
            raise _invalid_field_path(text)
        quoted = match[2]
        segments.append(_ESCAPE.sub(r"\1", quoted[1:-1]) if quoted else match[1])
        position = match.end()
        if position == len(text):
            return FieldPath(segments)
        if text[position] != ".":
            raise _invalid_field_path(text)
        position += 1


def _invalid_field_path(text: str) -> StatusError:
    return StatusError(
        StatusCode.INVALID_ARGUMENT,
        f'Invalid property path "{text}". Unquoted property paths must match regex '
        f"({_UNQUOTED_SEGMENT}), and quoted property paths must match regex ({_QUOTED_SEGMENT})",
    )


def document_name(database: DatabaseName, path: ResourcePath) -> str:
    """Print the full name of a document or collection; for the root path, of the documents root."""
    root = f"projects/{database.project}/databases/{database.database}/documents"
    return f"{root}/{path}" if path else root


def numeric_id(segment: str) -> int | None:
    """Return the integer of a numeric document id such as `__id7__`, or None if it is a text id."""
    match = _NUMERIC_ID.fullmatch(segment)
    if match is None:
        return None
    number = int(match[1])
    return number if _INT64_MIN <= number <= _INT64_MAX else None


def is_reserved_id(name: str) -> bool:
    """Say whether a field name or id matches `__.*__`, which Firestore keeps for itself."""
    return len(name) >= 4 and name.startswith("__") and name.endswith("__")


def check_collection_id(collection_id: str) -> None:
    """Refuse what cannot be a collection id where one stands alone, as in a query's `from`.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    if "/" in collection_id:
        problem = 'contains "/"'
    elif is_reserved_id(collection_id) or collection_id in (".", ".."):
        problem = "is reserved"
    else:
        _check_length(collection_id, "kind")
        return
    raise StatusError(
        StatusCode.INVALID_ARGUMENT,
        f'Collection id "{collection_id}" is invalid because it {problem}.',
    )


def check_document_id(document_id: str) -> None:
    """Refuse what cannot be a document id where one stands alone, as in CreateDocument.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    if "/" in document_id:
        problem = 'contains "/"'
    elif document_id in (".", ".."):
        problem = "is reserved"
    else:
        _document_id(document_id)
        return
    raise StatusError(
        StatusCode.INVALID_ARGUMENT,
        f'Resource id "{document_id}" is invalid because it {problem}.',
    )


@lru_cache(maxsize=1024)
def parse_database_name(text: str) -> DatabaseName:
    """Parse `projects/P/databases/D`.

    Raises:
        StatusError: INVALID_ARGUMENT, pointing at the offending byte.
    """
    reader = _NameReader(text, "Database name")
    database = reader.database()
    reader.end()
    return database


@lru_cache(maxsize=4096)
def parse_document_name(text: str) -> tuple[DatabaseName, ResourcePath]:
    """Parse the full name of a document.

    Raises:
        StatusError: INVALID_ARGUMENT, pointing at the offending byte.
    """
    parsed = _plain_name(text)
    if parsed is not None and parsed[1].count("/") % 2 == 1:
        return parsed
    return _NameReader(text, "Document name").resource(root=False, collection=False)


def parse_parent_name(text: str) -> tuple[DatabaseName, ResourcePath]:
    """Parse a parent: the documents root of a database, or a document.

    Raises:
        StatusError: INVALID_ARGUMENT, pointing at the offending byte.
    """
    return _NameReader(text, "Document parent name").resource(root=True, collection=False)


def parse_database_or_parent_name(text: str) -> tuple[DatabaseName, ResourcePath]:
    """Parse a parent that may be the database itself, which is its documents root then.

    Clients for Python before 1.0 name it so where they list collections and listen to queries.

    Raises:
        StatusError: INVALID_ARGUMENT, pointing at the offending byte.
    Source: googleapis/google-cloud-python#6553 and #7752.
    """
    if _DATABASE_NAME.fullmatch(text) is not None:
        text += "/documents"
    return parse_parent_name(text)


def parse_resource_name(text: str) -> tuple[DatabaseName, ResourcePath]:
    """Parse the full name of the documents root, a document, or a collection.

    Raises:
        StatusError: INVALID_ARGUMENT, pointing at the offending byte.
    """
    return _NameReader(text, "Resource name").resource(root=True, collection=True)


_DATABASE_NAME = re.compile("projects/[^/]+/databases/[^/]+")
_DATABASE_PREFIX = re.compile(r"(projects/[^/]+/databases/[^/]+)/documents/")
# Ids that need no closer look: no empty one, none of dots only, none with two leading underscores.
_PLAIN_SEGMENT = r"(?!\.\.?(?:/|\Z)|__)[^/]+"
_PLAIN_PATH = re.compile(rf"{_PLAIN_SEGMENT}(?:/{_PLAIN_SEGMENT})*")


def _plain_name(text: str) -> tuple[DatabaseName, ResourcePath] | None:
    """The short way for names without anything special; None sends the name the long way."""
    match = _DATABASE_PREFIX.match(text)
    if match is None or not text.isascii():
        return None
    end = match.end()
    # Too short to hold too long an id, or too many.
    is_short = len(text) - end <= 4 * limits.MAX_COLLECTION_DEPTH
    if not is_short or not _PLAIN_PATH.fullmatch(text, end):
        return None
    return parse_database_name(match[1]), ResourcePath(text[end:])


class _NameReader:
    """Reads a resource name from left to right; offsets in its messages are UTF-8 bytes.

    Source: observed: emulator 1.22.0, and production's answers to malformed names.
    """

    def __init__(self, name: str, what: str) -> None:
        self.name = name
        self.what = what
        self.position = 0

    def database(self) -> DatabaseName:
        self.literal("projects")
        self.literal("/")
        project = self.segment("project")
        self.literal("/")
        self.literal("databases")
        self.literal("/")
        return DatabaseName(project, self.segment("database"))

    def resource(self, *, root: bool, collection: bool) -> tuple[DatabaseName, ResourcePath]:
        database = self.database()
        self.literal("/")
        self.literal("documents")
        segments: list[str] = []
        while self.position < len(self.name):
            self.literal("/")
            if not segments and self.position == len(self.name):
                raise self.error('is invalid: Omit trailing "/".')
            start = self.position
            is_collection_id = len(segments) % 2 == 0
            segment = self.segment("collection" if is_collection_id else "resource")
            if segment in (".", ".."):
                raise self.error(
                    f'contains a resource id "{segment}" at index {self.bytes(start)}.'
                )
            segments.append(_collection_id(segment) if is_collection_id else _document_id(segment))
        is_complete = len(segments) % 2 == 0 and (root or bool(segments))
        if not is_complete and not (collection and segments):
            raise self.error(f'lacks "/" at index {self.bytes(self.position)}.')
        path = ResourcePath("/".join(segments))
        _check_path_limits(path, len(segments))
        return database, path

    def literal(self, expected: str) -> None:
        if not self.name.startswith(expected, self.position):
            raise self.error(f'lacks "{expected}" at index {self.bytes(self.position)}.')
        self.position += len(expected)

    def segment(self, kind: str) -> str:
        end = self.name.find("/", self.position)
        if end == -1:
            end = len(self.name)
        segment = self.name[self.position : end]
        if not segment:
            if self.position == len(self.name):
                raise self.error('has invalid trailing "/".')
            raise self.error(f"lacks a {kind} id at index {self.bytes(self.position)}.")
        self.position = end
        return segment

    def end(self) -> None:
        rest = self.name[self.position :]
        if rest == "/":
            raise self.error('has invalid trailing "/".')
        if rest:
            raise self.error(
                f"has unexpected trailing characters at index {self.bytes(self.position)}."
            )

    def bytes(self, position: int) -> int:
        return len(self.name[:position].encode("utf-8", "surrogatepass"))

    def error(self, problem: str) -> StatusError:
        return StatusError(StatusCode.INVALID_ARGUMENT, f'{self.what} "{self.name}" {problem}')


def _collection_id(segment: str) -> str:
    if is_reserved_id(segment):
        raise StatusError(
            StatusCode.INVALID_ARGUMENT,
            f'Collection id "{segment}" is invalid because it is reserved.',
        )
    _check_length(segment, "kind")
    return segment


def _document_id(segment: str) -> str:
    """Check a document id, and bring a numeric one to its one spelling."""
    if is_reserved_id(segment):
        if not segment.startswith("__id"):
            raise StatusError(
                StatusCode.INVALID_ARGUMENT,
                f'Resource id "{segment}" is invalid because it is reserved.',
            )
        number = numeric_id(segment)
        if number is None:
            raise StatusError(
                StatusCode.INVALID_ARGUMENT,
                "A long document ID string must be formatted like '__id{LONG}__', where LONG is a "
                f"64-bit integer. Found: '{segment}'.",
            )
        if number == 0:
            raise StatusError(
                StatusCode.INVALID_ARGUMENT, "Document ID of type long must be non-zero"
            )
        return f"__id{number}__"
    _check_length(segment, "name")
    return segment


def _check_length(segment: str, element: str) -> None:
    if _length_bytes(segment) > limits.MAX_ID_BYTES:
        raise StatusError(
            StatusCode.INVALID_ARGUMENT,
            f"The key path element {element} is longer than {limits.MAX_ID_BYTES} bytes.",
        )


def _length_bytes(text: str) -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise StatusError(
            StatusCode.INVALID_ARGUMENT,
            "A resource name holds half of a surrogate pair: not valid UTF-8.",
        ) from None


def _check_path_limits(path: ResourcePath, segment_count: int) -> None:
    size_bytes = _length_bytes(path)
    if size_bytes > limits.MAX_DOCUMENT_NAME_BYTES:
        raise StatusError(
            StatusCode.INVALID_ARGUMENT,
            f"The document name is {size_bytes} bytes long, more than the limit of "
            f"{limits.MAX_DOCUMENT_NAME_BYTES} bytes.",
        )
    if segment_count > 2 * limits.MAX_COLLECTION_DEPTH:
        raise StatusError(
            StatusCode.INVALID_ARGUMENT,
            f"Collections are nested more than {limits.MAX_COLLECTION_DEPTH} levels deep.",
        )
