"""Objects as the Storage emulator shows them to rules."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.access.model import StoredObject
from harness.access.storage_objects import (
    MAX_HASHED_BYTES,
    ObjectVersion,
    crc32c_of_zeros,
    object_path,
)
from harness.firestore.values import Timestamp

TIME = Timestamp(1_700_000_000_123_000)


@pytest.mark.parametrize(
    ("size_bytes", "checksum"),
    [
        (0, 0),
        (32, 0x8A9136AA),  # Source: RFC 3720, B.4: 32 bytes of zeroes, aa 36 91 8a
    ],
)
def test_the_checksum_of_zeros(size_bytes: int, checksum: int) -> None:
    assert crc32c_of_zeros(size_bytes) == checksum


@given(st.integers(0, 3_000))
def test_the_checksum_is_that_of_a_plain_division(size_bytes: int) -> None:
    register = 0xFFFFFFFF
    for _ in range(size_bytes * 8):
        register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    assert crc32c_of_zeros(size_bytes) == register ^ 0xFFFFFFFF


def test_an_object_has_the_keys_that_the_emulator_sends() -> None:
    """Source: firebase-tools 15.34, emulator/storage/metadata.ts: asRulesResource."""
    version = ObjectVersion("b", "a/b", StoredObject(3, "image/png", {"k": "v"}), TIME, TIME)
    resource = version.resource()
    assert resource.keys() == {
        "name", "bucket", "generation", "metageneration", "size", "timeCreated", "updated",
        "md5Hash", "crc32c", "etag", "contentDisposition", "contentEncoding", "contentType",
        "metadata",
    }  # fmt: skip
    assert resource["generation"] == 1_700_000_000_123
    digest = hashlib.sha1(b"1700000000123/1").digest()
    assert resource["etag"] == base64.b64encode(digest).decode()[:-1]


def test_an_object_too_large_to_hash_has_no_checksums() -> None:
    version = ObjectVersion("b", "a", StoredObject(MAX_HASHED_BYTES + 1), TIME, TIME)
    assert not {"md5Hash", "crc32c"} & version.resource().keys()


def test_a_change_of_metadata_keeps_what_is_not_sent() -> None:
    later = Timestamp(TIME.micros + 1_000_000)
    version = ObjectVersion("b", "a", StoredObject(3, "image/png", {"k": "v"}), TIME, TIME)
    changed = version.changed(StoredObject(metadata={"l": "w"}), later)
    assert changed.stored == StoredObject(3, "image/png", {"k": "v", "l": "w"})
    assert (changed.created, changed.updated, changed.metageneration) == (TIME, later, 2)


@pytest.mark.parametrize(
    ("path", "segments"),
    [("a/b.png", ("b", "bkt", "o", "a", "b.png")), ("", ("b", "bkt", "o"))],
)
def test_paths(path: str, segments: tuple[str, ...]) -> None:
    assert object_path("bkt", path) == segments
