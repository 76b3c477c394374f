"""The protobuf message classes of `google.firestore.v1`, without importing the client library.

The definitions live inside the installed `google-cloud-firestore` package, but importing it costs
more than the rest of the server together. So the descriptors are taken out of it once, kept in the
user's cache folder under a key made of the versions involved, and loaded into a descriptor pool of
our own. A cache that is missing, damaged or not writable costs the import, never a wrong answer.

Two definitions are added to what the package has: `Write.verify`, and the `DocumentEventData`
    message that function triggers
receive. What the messages mean is `wire.py`'s business.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import google.protobuf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_RECIPE = "3"
"""Changes when `_add_own_definitions` does, so that older caches are not used."""

_PACKAGE = "google.firestore.v1"
_WRITE_FILE = "google/cloud/firestore_v1/types/write.proto"
_COMMON_FILE = "google/cloud/firestore_v1/types/common.proto"
_DOCUMENT_FILE = "google/cloud/firestore_v1/types/document.proto"
_EVENTS_FILE = "harness/document_event_data.proto"

_OTHERS = {
    "Timestamp": "google.protobuf.Timestamp",
    "Empty": "google.protobuf.Empty",
    "Struct": "google.protobuf.Struct",
    "Int32Value": "google.protobuf.Int32Value",
    "LatLng": "google.type.LatLng",
    "Status": "google.rpc.Status",
    "DocumentEventData": "google.events.cloud.firestore.v1.DocumentEventData",
}


@cache
def load_messages() -> Any:
    """Return a namespace that holds every message class by its short name, such as
    `CommitRequest`.
    """
    files = _cached_descriptors()
    if files is None:
        files = _extract_descriptors()
        _write_cache(files.SerializeToString())
    pool = descriptor_pool.DescriptorPool()
    names: dict[str, str] = {}
    for file in files.file:
        pool.Add(file)
        if file.package == _PACKAGE:
            names.update(
                (message.name, f"{_PACKAGE}.{message.name}") for message in file.message_type
            )
    names.update(_OTHERS)
    classes = {
        short: message_factory.GetMessageClass(pool.FindMessageTypeByName(full))
        for short, full in names.items()
    }
    return SimpleNamespace(**classes)


def _extract_descriptors() -> descriptor_pb2.FileDescriptorSet:
    """Take the definitions out of the client library: slow, it imports all of it."""
    from google.cloud.firestore_v1.types import firestore
    from google.protobuf import empty_pb2

    files = descriptor_pb2.FileDescriptorSet()
    seen: set[str] = set()

    def add(file: Any) -> None:
        if file.name in seen:
            return
        seen.add(file.name)
        for dependency in file.dependencies:
            add(dependency)
        file.CopyToProto(files.file.add())

    add(firestore.ListenRequest.pb().DESCRIPTOR.file)
    add(empty_pb2.DESCRIPTOR)
    _add_own_definitions(files)
    return files


def _add_own_definitions(files: descriptor_pb2.FileDescriptorSet) -> None:
    field_type = descriptor_pb2.FieldDescriptorProto
    for file in files.file:
        _restore_names(file.message_type)
        if file.name != _WRITE_FILE:
            continue
        write = next(message for message in file.message_type if message.name == "Write")
        if any(field.number == 5 for field in write.field):
            continue
        # Not in the published definition, but sent by the transactions of the web and mobile SDKs
        # for documents that were read and not written.
        operation = [oneof.name for oneof in write.oneof_decl].index("operation")
        write.field.add(
            name="verify",
            number=5,
            label=field_type.LABEL_OPTIONAL,
            type=field_type.TYPE_STRING,
            oneof_index=operation,
        )
    events = files.file.add(
        name=_EVENTS_FILE,
        package="google.events.cloud.firestore.v1",
        syntax="proto3",
        dependency=[_DOCUMENT_FILE, _COMMON_FILE],
    )
    data = events.message_type.add(name="DocumentEventData")
    for number, (name, type_name) in enumerate(
        [("value", "Document"), ("old_value", "Document"), ("update_mask", "DocumentMask")], start=1
    ):
        data.field.add(
            name=name,
            number=number,
            label=field_type.LABEL_OPTIONAL,
            type=field_type.TYPE_MESSAGE,
            type_name=f".{_PACKAGE}.{type_name}",
        )


def _restore_names(messages: Iterable[descriptor_pb2.DescriptorProto]) -> None:
    """Undo what the client library does to fields that are named as a Python keyword: `from_`."""
    for message in messages:
        _restore_names(message.nested_type)
        for field in message.field:
            if field.name.endswith("_"):
                field.name = field.name.rstrip("_")
                field.json_name = field.name


def _cache_file() -> Path | None:
    """Return where the definitions are kept, or None if the versions cannot be told without
    importing.
    """
    spec = importlib.util.find_spec("google.cloud.firestore_v1")
    if spec is None or spec.origin is None:
        return None
    version_file = Path(spec.origin).with_name("gapic_version.py")
    try:
        version = version_file.read_bytes()
    except OSError:
        return None
    key = hashlib.sha256(
        b"\0".join([version, google.protobuf.__version__.encode(), _RECIPE.encode()])
    )
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        folder = Path(base) if base else _home() / ".cache"
    except RuntimeError:  # no home directory
        return None
    return folder / "firebase-workflow-harness" / f"messages-{key.hexdigest()[:16]}.bin"


def _home() -> Path:
    """Return the account's own folder: inside the Emulator Suite, HOME is new at each start."""
    try:
        import pwd
    except ImportError:  # Windows
        return Path.home()
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # an account without an entry, as in some containers
        return Path.home()


def _cached_descriptors() -> descriptor_pb2.FileDescriptorSet | None:
    path = _cache_file()
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, data = content[:32], content[32:]
    if hashlib.sha256(data).digest() != digest:
        return None
    return descriptor_pb2.FileDescriptorSet.FromString(data)


def _write_cache(data: bytes) -> None:
    path = _cache_file()
    if path is None:
        return
    import tempfile  # only the first start of an installation writes

    # A cache that cannot be written only makes the next start slower.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(data).digest() + data)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
