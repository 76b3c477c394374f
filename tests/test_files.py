import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.errors import EnvironmentLacking, HarnessError
from harness.files import (
    create_text_file,
    lock_file,
    read_text_file,
    update_text_file,
    update_workflow,
    write_text_file,
)
from harness.workflow.edit import set_ticks

IS_ROOT = os.geteuid() == 0


@pytest.fixture(autouse=True)
def locks_of_their_own(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("locks")))
    monkeypatch.setattr("tempfile.tempdir", None)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def under_fire(how: str, path: Path) -> dict:
    script = Path(__file__).with_name("files_under_fire.py")
    command = [sys.executable, "-W", "error", str(script), how, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_file_is_read_as_it_is(tmp_path):
    path = tmp_path / "a.md"
    path.write_bytes(b"\xef\xbb\xbf- [ ] a\r\n- [x] \xf0\x9f\x94\xa5\n\r")
    source = read_text_file(path)
    assert source.text == "\ufeff- [ ] a\r\n- [x] 🔥\n\r"
    assert source.file_name == str(path)


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / "none.md", tmp_path / "a.md" / "none.md", Path("a\0b")):
        (tmp_path / "a.md").touch()
        with pytest.raises(HarnessError) as caught:
            read_text_file(path)
        assert caught.value.fix


@pytest.mark.parametrize(
    ("content", "line", "column", "words", "encoding"),
    [
        (b"ab\n\xc3\xa9x\xff", 2, 3, "byte 0xff at offset 6 is not UTF-8", "WINDOWS-1252"),
        (b"\xe9", 1, 1, "byte 0xe9 at offset 0", "WINDOWS-1252"),
        (b"\xff\xfe-\x00", 1, 1, "UTF-16", "UTF-16"),
        (b"\xed\xa0\x80", 1, 1, "offset 0", "WINDOWS-1252"),
    ],
)
def test_what_is_not_utf8_is_refused_with_its_place(
    tmp_path, content, line, column, words, encoding
):
    path = tmp_path / "a.md"
    path.write_bytes(content)
    with pytest.raises(HarnessError, match=words) as caught:
        read_text_file(path)
    assert (caught.value.at.line, caught.value.at.column) == (line, column)
    assert f"-f {encoding} " in caught.value.fix


def test_what_is_no_text_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path, words in [
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path / "loop", "cannot be read"),
    ]:
        with pytest.raises(HarnessError, match=words):
            read_text_file(path)


def test_a_file_that_is_too_large_is_refused(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("12345")
    assert read_text_file(path, max_bytes=5).text == "12345"
    with pytest.raises(HarnessError, match="larger than 4 bytes"):
        read_text_file(path, max_bytes=4)


def test_a_new_file_gets_the_mode_that_any_program_would_give_it(tmp_path):
    write_text_file(tmp_path / "new.md", "a\r\n🔥")
    (tmp_path / "other.md").touch()
    assert (tmp_path / "new.md").read_bytes() == b"a\r\n\xf0\x9f\x94\xa5"
    assert (tmp_path / "new.md").stat().st_mode == (tmp_path / "other.md").stat().st_mode


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o755])
def test_the_mode_stays(tmp_path, mode):
    path = tmp_path / "a.md"
    path.write_text("old")
    path.chmod(mode)
    write_text_file(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "a.md"
    target.write_text("old")
    link = tmp_path / "link.md"
    link.symlink_to("real/a.md")
    write_text_file(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert names(tmp_path / "real") == ["a.md"]


def test_a_read_only_file_is_not_replaced(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(HarnessError, match="may not be written") as caught:
        write_text_file(path, "new")
    assert "chmod u+w" in caught.value.fix
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.md"]


@pytest.mark.skipif(IS_ROOT, reason="root may write into any folder")
def test_a_read_only_folder_is_named(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("old")
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(HarnessError, match="may not be written"):
            write_text_file(path, "new")
    finally:
        tmp_path.chmod(0o755)
    assert path.read_text() == "old"


def test_a_folder_or_a_missing_folder_cannot_be_written(tmp_path):
    with pytest.raises(HarnessError, match="is a folder"):
        write_text_file(tmp_path, "x")
    with pytest.raises(HarnessError, match="no folder for") as caught:
        write_text_file(tmp_path / "none" / "a.md", "x")
    assert caught.value.fix == f"mkdir -p {tmp_path / 'none'}"


def test_nothing_is_left_behind_when_the_text_cannot_be_written_to_its_end(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    path = folder / "a.md"
    path.write_text("old")
    script = (  # a limit on the size of files stands in for a full disk
        "import pathlib, resource, signal, sys;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10));"
        "from harness.files import write_text_file;"
        "write_text_file(pathlib.Path(sys.argv[1]), 'new' * 100)"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "HarnessError" in done.stderr
    assert "a.md cannot be written: File too large" in done.stderr
    assert path.read_text() == "old"
    assert names(folder) == ["a.md"]


def test_a_file_is_created_whole_or_left_as_it_is(tmp_path):
    path = tmp_path / "new.md"
    assert create_text_file(path, "first\n")
    assert not create_text_file(path, "second\n")
    assert path.read_text() == "first\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["new.md"]
    with pytest.raises(HarnessError, match="no folder"):
        create_text_file(tmp_path / "none" / "new.md", "")


def test_of_many_that_create_one_file_one_does(tmp_path):
    path = tmp_path / "new.md"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: create_text_file(path, f"{n}\n" * 500), range(40)))
    assert made.count(True) == 1
    assert path.read_text() == f"{made.index(True)}\n" * 500


def test_update_says_whether_the_file_changed(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("a")
    before = path.stat()
    assert update_text_file(path, lambda source: source.text) is False
    assert path.stat() == before
    assert update_text_file(path, lambda source: source.text + "b") is True
    assert path.read_text() == "ab"


def test_what_an_editor_saves_meanwhile_is_not_lost(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("- [ ] a\n")
    saved = iter(["- [ ] a\n- [ ] b\n", "- [ ] a\n- [ ] b\nnotes\n"])

    def transform(document):
        text = next(saved, None)
        if text is not None:
            path.write_text(text)  # as an editor does, which knows no lock
        return set_ticks(document, {document.items[0].item_id: True})

    assert update_workflow(path, transform)
    assert path.read_text() == "- [x] a\n- [ ] b\nnotes\n"


def test_a_file_that_never_rests_is_given_up(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("")
    with pytest.raises(HarnessError, match="changes faster"):
        update_text_file(path, lambda source: path.write_text(source.text + "x") and "mine")
    assert "mine" not in path.read_text()


def test_a_transform_that_fails_changes_nothing_and_frees_the_lock(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("a")
    with pytest.raises(ZeroDivisionError):
        update_text_file(path, lambda source: str(1 // 0))
    assert path.read_text() == "a"
    assert update_text_file(path, lambda source: "b", lock_timeout_s=0.1)


def test_a_workflow_document_is_ticked_on_disk_in_one_byte(tmp_path):
    path = tmp_path / "w.md"
    path.write_bytes(b"\xef\xbb\xbf# T\r\n- [ ] a\r\n- [ ] \xf0\x9f\x94\xa5 b")
    assert update_workflow(
        path, lambda document: set_ticks(document, {document.find("b").item_id: True})
    )
    assert path.read_bytes() == b"\xef\xbb\xbf# T\r\n- [ ] a\r\n- [x] \xf0\x9f\x94\xa5 b"


def test_a_lock_that_is_held_is_waited_for_and_then_given_up(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("a")
    link = tmp_path / "link.md"
    link.symlink_to(path)
    with (
        lock_file(path),
        pytest.raises(HarnessError, match=r"another harness process .* 0\.05 s"),
        lock_file(link, timeout_s=0.05),
    ):
        pass
    with lock_file(link, timeout_s=0.05):
        pass


def test_a_lock_folder_of_someone_else_is_refused(tmp_path, monkeypatch):
    (tmp_path / f"firebase-workflow-harness-{os.getuid()}").symlink_to(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with (
        pytest.raises(EnvironmentLacking, match="not a folder of yours"),
        lock_file(tmp_path / "a"),
    ):
        pass


def test_a_process_killed_at_any_line_leaves_the_old_file_or_the_new_one(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    result = under_fire("lines", folder / "a.md")
    assert set(result["seen"]) == {"old", "new"}
    assert result["seen"]["old"] > 20
    assert result["files"] == ["a.md"]


def test_a_process_killed_at_random_moments_leaves_the_old_file_or_the_new_one(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    result = under_fire("random", folder / "a.md")
    assert set(result["seen"]) <= {"old", "new"}
    assert sum(result["seen"].values()) == 40
    assert result["files"] == ["a.md"]


def test_processes_that_update_together_lose_nothing(tmp_path):
    result = under_fire("together", tmp_path / "a.md")
    assert result == {"ends": [0] * 4, "lines": 40}


def test_processes_that_tick_together_lose_no_tick_and_touch_nothing_else(tmp_path):
    result = under_fire("ticks", tmp_path / "a.md")
    assert result == {"ends": [0] * 8, "all_ticked": True}
