"""Objects in Storage as rules see them: the maps that the Storage emulator makes of them.

The content is zero bytes, so its checksums follow from its size. Which request has which map is
`decide.py`'s.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from harness.access.model import StoredObject
from harness.firestore.values import Timestamp
from harness.rules.values import RulesTimestamp, RulesValue

DEFAULT_CONTENT_TYPE = "application/octet-stream"

MAX_HASHED_BYTES = 64_000_000
"""An object that is larger has no checksums here; a rule that reads one then has an error."""

_CRC32C_POLYNOMIAL = 0x82F63B78
_CRC32C_MASK = 0xFFFFFFFF
_NANOS_PER_MICRO = 1_000


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object.

    Args:
        created: When it was uploaded; its generation is that in milliseconds.
        updated: When its metadata was last changed.
        metageneration: 1 after the upload, one more for each change of metadata.
    """

    bucket: str
    path: str
    stored: StoredObject
    created: Timestamp
    updated: Timestamp
    metageneration: int = 1

    def changed(self, sent: StoredObject, now: Timestamp) -> ObjectVersion:
        """Return the object after an update of its metadata: what is not sent stays."""
        stored = replace(
            self.stored,
            content_type=sent.content_type or self.stored.content_type,
            metadata={**self.stored.metadata, **sent.metadata},
        )
        return replace(self, stored=stored, updated=now, metageneration=self.metageneration + 1)

    def resource(self) -> dict[str, RulesValue]:
        """Return it as `resource` or `request.resource`.

        Source: firebase-tools 15.34, emulator/storage/metadata.ts: asRulesResource.
        """
        generation = self.created.micros // 1_000
        resource: dict[str, RulesValue] = {
            "name": self.path,
            "bucket": self.bucket,
            "generation": generation,
            "metageneration": self.metageneration,
            "size": self.stored.size_bytes,
            "timeCreated": RulesTimestamp(self.created.micros * _NANOS_PER_MICRO),
            "updated": RulesTimestamp(self.updated.micros * _NANOS_PER_MICRO),
            "etag": _etag(generation, self.metageneration),
            "contentDisposition": None,
            "contentEncoding": None,
            "contentType": self.stored.content_type or DEFAULT_CONTENT_TYPE,
            "metadata": dict(self.stored.metadata),
        }
        if self.stored.size_bytes <= MAX_HASHED_BYTES:
            resource |= _checksums(self.stored.size_bytes)
        return resource


def object_path(bucket: str, path: str) -> tuple[str, ...]:
    """Return an object's or a folder's path as rules match it: `("b", bucket, "o", ...)`."""
    return ("b", bucket, "o", *(segment for segment in path.split("/") if segment))


def _etag(generation: int, metageneration: int) -> str:
    digest = hashlib.sha1(f"{generation}/{metageneration}".encode(), usedforsecurity=False)
    return base64.b64encode(digest.digest()).decode()[:-1]


@lru_cache(maxsize=64)
def _checksums(size_bytes: int) -> Mapping[str, str]:
    md5 = hashlib.md5(bytes(size_bytes), usedforsecurity=False).digest()
    return {
        "md5Hash": base64.b64encode(md5).decode(),
        "crc32c": str(crc32c_of_zeros(size_bytes)),  # a decimal number, as the emulator has it
    }


def crc32c_of_zeros(size_bytes: int) -> int:
    """Return the CRC-32C of so many zero bytes.

    One zero bit more is a linear map of the register's 32 bits; so a run of them is a power of that
    map, found by squaring instead of byte by byte.
    """
    step = [_CRC32C_POLYNOMIAL] + [1 << (bit - 1) for bit in range(1, 32)]
    register = _CRC32C_MASK
    bits_left = size_bytes * 8
    while bits_left:
        if bits_left & 1:
            register = _apply(step, register)
        step = [_apply(step, column) for column in step]
        bits_left >>= 1
    return register ^ _CRC32C_MASK


def _apply(columns: list[int], vector: int) -> int:
    result = 0
    for bit, column in enumerate(columns):
        if vector >> bit & 1:
            result ^= column
    return result
