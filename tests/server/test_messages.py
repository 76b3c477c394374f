from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.server import messages


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    messages.load_messages.cache_clear()
    yield tmp_path / "firebase-workflow-harness"
    messages.load_messages.cache_clear()


def works(pb: Any) -> bool:
    write = pb.Write.FromString(pb.Write(verify="x").SerializeToString())
    query = pb.StructuredQuery()
    getattr(query, "from").add(collection_id="c")
    event = pb.DocumentEventData(value=pb.Document(name="n"))
    return bool(write.WhichOneof("operation") == "verify" and event.value.name == "n")


def test_the_definitions_are_kept_for_the_next_start(cache_folder: Path) -> None:
    assert works(messages.load_messages())
    (kept,) = cache_folder.iterdir()
    before = kept.read_bytes()
    messages.load_messages.cache_clear()
    assert works(messages.load_messages())
    assert kept.read_bytes() == before


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\0" * 100])
def test_a_damaged_cache_is_made_anew(cache_folder: Path, damage: bytes) -> None:
    messages.load_messages()
    (kept,) = cache_folder.iterdir()
    good = kept.read_bytes()
    kept.write_bytes(good[:-1] + damage)
    messages.load_messages.cache_clear()
    assert works(messages.load_messages())
    assert kept.read_bytes() == good


def test_a_cache_that_cannot_be_written_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    messages.load_messages.cache_clear()
    assert works(messages.load_messages())
    messages.load_messages.cache_clear()


def test_the_added_field_is_the_one_that_web_clients_send() -> None:
    assert messages.load_messages().Write(verify="x").SerializeToString() == b"\x2a\x01x"
