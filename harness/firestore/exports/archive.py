"""A whole export: documents to the files of a folder, and back.

    files = export_files("firestore_export", {database: documents}, started, finished)
    documents = import_documents(read, "firestore_export.overall_export_metadata")

Names of files count from the folder of the overall metadata, which is to be written last: a folder
without it is no export.

Source: observed: exports of emulator 1.22.0 and of production.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from google.protobuf.message import DecodeError

from harness.firestore.documents import DocumentSnapshot
from harness.firestore.exports.entities import document_from_bytes, document_to_bytes
from harness.firestore.exports.log_format import ExportError, read_records, write_records
from harness.firestore.exports.messages import load_messages
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.values import Fields, Timestamp

OVERALL_SUFFIX = ".overall_export_metadata"

_FOLDER = "all_namespaces/all_kinds"
_KIND_FILE = f"{_FOLDER}/all_namespaces_all_kinds.export_metadata"
_OUTPUT = "output-0"
_VERSION = b"3"


def export_files(
    name: str,
    databases: Mapping[DatabaseName, Iterable[DocumentSnapshot]],
    started: Timestamp,
    finished: Timestamp,
) -> dict[str, bytes]:
    """Return the files of an export by name, the overall metadata last.

    Args:
        name: Of the export, and of its folder.
        databases: Whose importers each take the documents of their own.
        started: When it began.
        finished: When it was done.
    """
    messages = load_messages()
    records = [
        document_to_bytes(database, each.path, each.fields)
        for database, documents in databases.items()
        for each in documents
    ]
    overall = messages.OverallMetadata()
    files: dict[str, bytes] = {}
    if records:
        output = write_records(records)
        files[f"{_FOLDER}/{_OUTPUT}"] = output
        kind = messages.KindMetadata()
        kind.span.name = name.encode()
        kind.span.start_micros, kind.span.end_micros = started.micros, finished.micros
        kind.output.add(name_space=b"", file=_OUTPUT.encode())
        files[_KIND_FILE] = kind.SerializeToString()
        overall.kind.add(
            version={"format": 2, "entities": 3},
            metadata_file=_KIND_FILE.encode(),
            entity_count=len(records),
            byte_count=len(output),
        )
    files[name + OVERALL_SUFFIX] = write_records([_VERSION, overall.SerializeToString()])
    return files


def import_documents(
    read: Callable[[str], bytes], overall_name: str
) -> Iterator[tuple[DatabaseName, ResourcePath, Fields]]:
    """Yield the documents of an export, each with the database it comes from.

    Args:
        read: Returns a file by its name; raises OSError when that cannot be read.
        overall_name: Name of the overall metadata.
    Raises:
        ExportError: A file is missing or damaged; the text is the official emulator's.
    """
    for kind_file, promised in _kind_files(read, overall_name):
        found = 0
        folder = kind_file.rpartition("/")[0]
        kind = load_messages().KindMetadata()
        try:
            kind.ParseFromString(_read(read, kind_file))
        except DecodeError as error:
            raise ExportError(f"Failed parse entity file:{kind_file}") from error
        for output in kind.output:
            path = _join(folder, output.file)
            for record in read_records(_read(read, path)):
                found += 1
                yield document_from_bytes(record)
        if found < promised:  # cut off between two records, which no checksum notices
            raise ExportError(f"{kind_file} has {found} of {promised} documents")


def _kind_files(read: Callable[[str], bytes], overall_name: str) -> list[tuple[str, int]]:
    """Return the metadata file of each kind, and how many documents it has at least."""
    overall = load_messages().OverallMetadata()
    try:
        records = list(read_records(read(overall_name)))
        if not records:
            raise ExportError("the file is empty")
        if records[0] != _VERSION:
            raise ExportError("Overall export metadata file version not supported")
        if len(records) == 1:
            raise ExportError("Failed to parse overall export metadata file")
        for record in records[1:]:
            overall.MergeFromString(record)
    except OSError as error:
        raise ExportError("Failed to parse overall export metadata file") from error
    except DecodeError as error:
        raise ExportError("Failed to parse overall export metadata file") from error
    return [(_join("", kind.metadata_file), kind.entity_count) for kind in overall.kind]


def _read(read: Callable[[str], bytes], name: str) -> bytes:
    try:
        return read(name)
    except OSError as error:
        raise ExportError(f"Failed parse entity file:{name}") from error


def _join(folder: str, name: bytes) -> str:
    """Return the name of a file that another one points at. It must not leave the export's
    folder.
    """
    try:
        text = name.decode()
    except UnicodeDecodeError as error:
        raise ExportError("Invalid record") from error
    text = text.replace("\\", "/")  # as the emulator writes it on Windows
    path = f"{folder}/{text}" if folder else text
    if text.startswith("/") or ":" in text or ".." in path.split("/"):
        raise ExportError(f"Failed parse entity file:{text}")
    return path
