"""HTTP/2 header blocks: read them fast, and write them so that they depend on no table.

Clients are told that the dynamic table has no room, so that after the first requests a block means
the same wherever it
stands: then whole blocks and single fields are remembered, and hpack decodes only what is new.
"""

from __future__ import annotations

from collections.abc import Iterable

import hpack
from hpack.table import HeaderTable

Headers = dict[str, str]
"""Header fields by their lower-case names, pseudo-headers included. Of several equal ones the last
counts.
"""

MAX_BLOCK_BYTES = 64 * 1024

_NO_TABLE = b"\x20"
"""How a block begins whose client gives up its table. Source: RFC 7541, section 6.3."""
_STATIC_NAMES = [name.decode("latin-1") for name, _ in HeaderTable.STATIC_TABLE]

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
            if not block.startswith(_NO_TABLE):
                return dict(map(_text, self._decode(block)))
            self._decoder.header_table_size = 0
            self._has_table = False
            block = block[len(_NO_TABLE) :]
        found = _blocks.get(block)
        if found is None:
            found = dict(map(self._field, _split(block)))
            if len(block) <= _MAX_REMEMBERED_BYTES and not self._has_table:
                if len(_blocks) >= _MEMO_SIZE:
                    _blocks.clear()
                _blocks[block] = found
        return found

    def _field(self, encoded: bytes) -> tuple[str, str]:
        found = _fields.get(encoded)
        if found is None:
            found = _plain_field(encoded)
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


def _plain_field(encoded: bytes) -> tuple[str, str] | None:
    """Return a field that is spelled out, its name at most a number; None: it is not that simple.

    The library takes ten times as long, and clients' deadlines are spelled in many ways. Source:
    RFC 7541, section 6.2.
    """
    first = encoded[0]
    if first & 0x80 or first & 0xE0 == 0x20:  # a field by its number; an update of the table's size
        return None
    number, position = _integer(encoded, 0, 6 if first & 0x40 else 4)
    if number == 0:
        if encoded[position] & 0x80:  # Huffman's code
            return None
        length, start = _integer(encoded, position, 7)
        position = start + length
        name = encoded[start:position].decode("latin-1")
    elif number <= len(_STATIC_NAMES):
        name = _STATIC_NAMES[number - 1]
    else:
        return None
    if encoded[position] & 0x80:
        return None
    _, start = _integer(encoded, position, 7)
    return name, encoded[start:].decode("latin-1")


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
