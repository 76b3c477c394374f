"""in-toto Statements as JSON text: what all kinds of evidence have in common.

Lives here: the layer that names subjects by their digests, and readers that refuse what has another
shape. Must not live here: what a predicate says (`evidence.py`, `sign_off.py`).

Source: in-toto Attestation Framework, "Statement layer" v1 and "DigestSet" v1.1."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from harness.errors import WorkflowError
from harness.source import SourcePosition, SourceText

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
EVIDENCE_SUFFIX = ".json"

_COMMIT_NAME = "commit"
_FILE_NAME_LENGTH = 120
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_UNSAFE_IN_FILE_NAMES = re.compile(r"[^\w.~-]")

_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True)
class Statement:
    """A predicate on subjects.

    Attributes:
        subjects: Name of each input -> SHA-256 of its bytes in hexadecimal.
        commit: The git commit that it is about; empty if it is about none.
    """

    predicate_type: str
    predicate: Mapping[str, Any]
    subjects: Mapping[str, str]
    commit: str = ""


def statement_to_text(statement: Statement) -> str:
    """Return a Statement as JSON text, with a line feed at its end: the same bytes for the same
    content.

    Raises:
        ValueError: There is no subject, or one has no SHA-256 digest.
    """
    if not statement.subjects:
        raise ValueError("a statement without a subject says nothing")
    for name, digest in statement.subjects.items():
        if not _SHA256.fullmatch(digest):
            raise ValueError(
                f"the digest of {name} is not SHA-256 in lower-case hexadecimal: {digest!r}"
            )
    subjects: list[dict[str, Any]] = [
        {"name": name, "digest": {"sha256": digest}}
        for name, digest in sorted(statement.subjects.items())
    ]
    if statement.commit:
        subjects.insert(0, {"name": _COMMIT_NAME, "digest": {"gitCommit": statement.commit}})
    value = {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": statement.predicate_type,
        "predicate": statement.predicate,
    }
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read_statement(source: SourceText, read: Callable[[Statement], _Kind]) -> _Kind:
    """Read a Statement and give it to whoever knows its predicate.

    Unknown fields are passed over, as in-toto asks.

    Args:
        read: Raises ValueError for a predicate that it does not accept.
    Raises:
        WorkflowError: It is not JSON, or no such Statement.
    """
    try:
        return read(_statement(json.loads(source.text, object_pairs_hook=_without_duplicates)))
    except json.JSONDecodeError as error:
        at = SourcePosition(source.file_name, error.lineno, error.colno)
        raise _malformed(f"evidence is not JSON: {error.msg}", at) from error
    except RecursionError as error:
        raise _malformed("evidence is nested too deeply", _start(source)) from error
    except ValueError as error:
        raise _malformed(f"not evidence: {error}", _start(source)) from error


def evidence_path(document: str, item_id: str) -> str:
    """Return where an item's evidence lies below the folder of evidence: a folder for each
    document, a file for each item, `workflow.feature/testing.verify-security-rules.json`.

    Different items give different paths on file systems that ignore case too.

    Args:
        document: The workflow document's path in the project, with slashes.
        item_id: The item's.
    """
    folder = _file_name(document.removesuffix(".md"))
    return f"{folder}/{_file_name(item_id)}{EVIDENCE_SUFFIX}"


def object_of(value: Any, name: str) -> dict[str, Any]:
    """Return a JSON object; ValueError names what is none."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def array_of(fields: Mapping[str, Any], name: str) -> list[Any]:
    """Return a field that is an array; ValueError names what is none."""
    value = fields.get(name)
    if not isinstance(value, list):
        raise ValueError(f"{name} is not an array")
    return value


def string_of(fields: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Return a field that is a string; ValueError names what is none."""
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a string")
    return value


def _statement(value: Any) -> Statement:
    fields = object_of(value, "statement")
    if fields.get("_type") != STATEMENT_TYPE:
        raise ValueError(f"_type is not {STATEMENT_TYPE}")
    subjects: dict[str, str] = {}
    commit = ""
    for entry in array_of(fields, "subject"):
        subject = object_of(entry, "subject[]")
        digests = object_of(subject.get("digest"), "subject[].digest")
        if "gitCommit" in digests:
            commit = _digest(digests, "gitCommit", _GIT_COMMIT)
        else:
            subjects[string_of(subject, "name")] = _digest(digests, "sha256", _SHA256)
    if not subjects:
        raise ValueError("subject is empty")
    return Statement(
        string_of(fields, "predicateType"),
        object_of(fields.get("predicate"), "predicate"),
        subjects,
        commit,
    )


def _digest(digests: Mapping[str, Any], algorithm: str, form: re.Pattern[str]) -> str:
    digest = string_of(digests, algorithm)
    if not form.fullmatch(digest):
        raise ValueError(f"subject[].digest.{algorithm} is not one: {digest!r}")
    return digest


def _file_name(text: str) -> str:
    plain = text.replace("/", ".")
    name = _UNSAFE_IN_FILE_NAMES.sub(".", plain).lower()
    # A dot that was none, a letter whose case went, a name too long: a digest tells them apart.
    if name != plain or "." in text or len(name.encode()) > _FILE_NAME_LENGTH:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
        name = f"{name.encode()[: _FILE_NAME_LENGTH - 17].decode(errors='ignore')}.{digest}"
    return name


def _malformed(problem: str, at: SourcePosition) -> WorkflowError:
    return WorkflowError(problem, fix="delete the file and run `harness verify` again", at=at)


def _start(source: SourceText) -> SourcePosition:
    return SourcePosition(source.file_name, 1, 1)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field is there twice")
    return fields
