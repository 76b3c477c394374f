"""HTTP/2 header blocks: read them fast, and write them so that they depend on no table.

Clients are told that the dynamic table has no room, so that after the first requests a block means
the same wherever it
stands: then whole blocks and single fields are remembered, and hpack decodes only what is new.
"""

from __future__ import annotations

from collections.abc import Iterable

import hpack

Headers = dict[str, str]
"""Header fields by their lower-case names, pseudo-headers included. Of several equal ones the last
counts.
"""

MAX_BLOCK_BYTES = 64 * 1024

_MEMO_SIZE = 2048
_MAX_REMEMBERED_BYTES = 4096

_blocks: dict[bytes, Headers] = {}
_fields: dict[bytes, tuple[str, str]] = {}


class HeaderError(Exception):
    """A header block that cannot be decoded."""


class HeaderReader:
    """Decodes the header blocks of one connection, in their order."""

    def __init__(self) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=MAX_BLOCK_BYTES)
        self._has_table = True

    def read(self, block: bytes) -> Headers:
        """Return the fields of a block; not to be changed, since equal blocks share them.

        Raises:
            HeaderError: The block is malformed; the connection cannot go on.
        """
        if self._has_table:
            return dict(map(_text, self._decode(block)))
        found = _blocks.get(block)
        if found is None:
            found = dict(map(self._field, _split(block)))
            if len(block) <= _MAX_REMEMBERED_BYTES:
                if len(_blocks) >= _MEMO_SIZE:
                    _blocks.clear()
                _blocks[block] = found
        return found

    def _field(self, encoded: bytes) -> tuple[str, str]:
        found = _fields.get(encoded)
        if found is None:
            fields = self._decode(encoded)
            if len(fields) != 1:  # an update of the table's size is none
                return ("", "")
            found = _text(fields[0])
            if len(encoded) <= _MAX_REMEMBERED_BYTES:
                if len(_fields) >= _MEMO_SIZE:
                    _fields.clear()
                _fields[encoded] = found
        return found

    def _decode(self, block: bytes) -> list[tuple[bytes, bytes]]:
        try:
            fields: list[tuple[bytes, bytes]] = list(self._decoder.decode(block, raw=True))
        except hpack.HPACKError as error:
            raise HeaderError(str(error)) from error
        self._has_table = self._decoder.header_table_size > 0
        return fields


def _text(field: tuple[bytes, bytes]) -> tuple[str, str]:
    name, value = field
    return name.decode("latin-1"), value.decode("latin-1")


def _split(block: bytes) -> Iterable[bytes]:
    """Yield each field of a block, still encoded. Source: RFC 7541, section 6."""
    position, end = 0, len(block)
    try:
        while position < end:
            start = position
            first = block[position]
            if first & 0x80:
                _, position = _integer(block, position, 7)
            elif first & 0xE0 == 0x20:
                _, position = _integer(block, position, 5)
            else:
                name_index, position = _integer(block, position, 6 if first & 0x40 else 4)
                if name_index == 0:
                    length, position = _integer(block, position, 7)
                    position += length
                length, position = _integer(block, position, 7)
                position += length
            if position > end:
                raise HeaderError("a header field ends after its block")
            yield block[start:position]
    except IndexError as error:
        raise HeaderError("a header field ends after its block") from error


def _integer(block: bytes, position: int, prefix_bits: int) -> tuple[int, int]:
    """Return an integer and the position after it. Source: RFC 7541, section 5.1."""
    limit = (1 << prefix_bits) - 1
    number = block[position] & limit
    position += 1
    if number < limit:
        return number, position
    shift = 0
    while True:
        byte = block[position]
        position += 1
        number += (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, position
        if shift > 28:
            raise HeaderError("an integer is too large")


def write_headers(fields: Iterable[tuple[str, str]]) -> bytes:
    """Encode fields as literals that no table remembers."""
    return b"".join(b"\x00" + _string(name) + _string(value) for name, value in fields)


def _string(text: str) -> bytes:
    data = text.encode("latin-1")
    length = len(data)
    if length < 0x7F:
        return bytes((length,)) + data
    out = bytearray(b"\x7f")
    length -= 0x7F
    while length >= 0x80:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out) + data
