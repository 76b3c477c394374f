"""Records in the log format of LevelDB, which the files of an export have.

A file is a row of blocks of 32 KiB. A record is cut into fragments that do not cross blocks; each
has a checksum, its length, and whether it is the first, a middle, the last, or the only one.

Source: google/leveldb, doc/log_format.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct

import google_crc32c

BLOCK_BYTES = 32 * 1024

_HEADER = Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_MASK_DELTA = 0xA282EAD8
_UINT32 = 0xFFFFFFFF


class ExportError(ValueError):
    """An export that cannot be read; the text is the official emulator's where that has one."""


def write_records(records: Iterable[bytes]) -> bytes:
    """Return a file that holds records."""
    out = bytearray()
    for record in records:
        rest = memoryview(record)
        is_first = True
        while True:
            room = BLOCK_BYTES - len(out) % BLOCK_BYTES
            if room < _HEADER.size:
                out += bytes(room)
                continue
            part, rest = rest[: room - _HEADER.size], rest[room - _HEADER.size :]
            kind = _kind(is_first, is_last=not rest)
            out += _HEADER.pack(_checksum(kind, part), len(part), kind)
            out += part
            is_first = False
            if not rest:
                break
    return bytes(out)


def read_records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a file.

    Raises:
        ExportError: A fragment's checksum or place is wrong, or the file ends within a record.
    """
    view = memoryview(data)
    at = 0
    pending: bytearray | None = None
    while at < len(data):
        room = BLOCK_BYTES - at % BLOCK_BYTES
        if room < _HEADER.size or not any(view[at : at + _HEADER.size]):
            at += room  # padding, which may also fill the rest of the file
            continue
        if at + _HEADER.size > len(data):
            raise ExportError("Invalid record")
        checksum, length, kind = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        part = view[at : at + length]
        if len(part) < length or length > room - _HEADER.size:
            raise ExportError("Invalid record")
        at += length
        if checksum != _checksum(kind, part):
            raise ExportError("Checksum doesn't validate.")
        if (kind in (_FULL, _FIRST)) is not (pending is None):
            raise ExportError("Invalid record")
        if kind == _FULL:
            yield bytes(part)
        elif kind == _FIRST:
            pending = bytearray(part)
        elif pending is not None and kind in (_MIDDLE, _LAST):
            pending += part
            if kind == _LAST:
                yield bytes(pending)
                pending = None
        else:
            raise ExportError("Invalid record")
    if pending is not None:
        raise ExportError("Invalid record")


def _kind(is_first: bool, *, is_last: bool) -> int:
    if is_first:
        return _FULL if is_last else _FIRST
    return _LAST if is_last else _MIDDLE


def _checksum(kind: int, part: memoryview) -> int:
    crc: int = google_crc32c.extend(google_crc32c.value(bytes((kind,))), bytes(part))
    rotated = (crc >> 15 | crc << 17) & _UINT32
    return (rotated + _MASK_DELTA) & _UINT32
