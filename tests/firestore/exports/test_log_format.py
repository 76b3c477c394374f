"""LevelDB's log format: what is written is read, and what is damaged is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.firestore.exports.log_format import (
    BLOCK_BYTES,
    ExportError,
    read_records,
    write_records,
)

HEADER_BYTES = 7
# Sizes around the places where a fragment ends.
sizes = st.one_of(
    st.integers(0, 40),
    st.integers(BLOCK_BYTES - 20, BLOCK_BYTES + 20),
    st.integers(2 * BLOCK_BYTES - 30, 2 * BLOCK_BYTES + 30),
)
records = st.lists(
    st.builds(lambda size, byte: bytes((byte,)) * size, sizes, st.integers(0, 255)), max_size=6
)


@given(records)
def test_records_come_back(written: list[bytes]) -> None:
    assert list(read_records(write_records(written))) == written


@given(records.filter(any), st.data())
def test_a_changed_byte_is_noticed(written: list[bytes], data: st.DataObject) -> None:
    content = bytearray(write_records(written))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    try:
        found = list(read_records(bytes(content)))
    except ExportError:
        return
    assert found == written  # it was padding


@given(records.filter(any), st.data())
def test_a_file_that_is_cut_off_holds_no_other_records(
    written: list[bytes], data: st.DataObject
) -> None:
    content = write_records(written)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    found = []
    with suppress(ExportError):
        for record in read_records(cut):
            found.append(record)
    assert found == written[: len(found)]


def test_no_fragment_crosses_a_block() -> None:
    content = write_records([b"a" * (BLOCK_BYTES - HEADER_BYTES - 3), b"b"])
    assert content[BLOCK_BYTES - 3 : BLOCK_BYTES] == bytes(3)
    assert content[BLOCK_BYTES + HEADER_BYTES :] == b"b"


def test_a_known_record() -> None:
    # The first record of the overall metadata of every export of emulator 1.19 (observed).
    assert write_records([b"3"]) == bytes.fromhex("b86d444e01000133")


@pytest.mark.parametrize("content", [b"\x01", b"\x01" * 7, b"\x01" * 40])
def test_rubbish_is_refused(content: bytes) -> None:
    with pytest.raises(ExportError):
        list(read_records(content))
