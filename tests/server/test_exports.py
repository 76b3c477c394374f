"""Exports over the control routes, seeds, and what a kill leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigError
from harness.firestore.exports.log_format import ExportError
from harness.firestore.paths import ResourcePath
from harness.server.exchange import exchange
from harness.server.exports import SUITE_METADATA, read_export, read_seed
from harness.server.options import ServerOptions
from tests.server.running import Project, running_server

NAME = "firestore_export"
OVERALL = f"{NAME}.overall_export_metadata"
LIMIT_S = 30.0


def export(project: Project, folder: Path, **content: Any) -> Any:
    asked = {
        "database": f"projects/{project.id}/databases/(default)",
        "export_directory": str(folder),
        "export_name": NAME,
    }
    return project.server.http("POST", f"{project.emulator}:export", json=asked | content)


def test_an_export_is_imported_by_another_project(
    project: Project, db: Any, tmp_path: Path
) -> None:
    db.document("notes/n1").set({"text": "é", "tags": ["a", {"b": None}]})
    db.document("notes/n1/parts/__id7__").set({"n": 1.5})
    answer = export(project, tmp_path)
    assert (answer.status_code, answer.text) == (200, "{\n}\n")

    other = Project(project.server, f"{project.id}-b", project.add_cleanup)
    kept = other.client().document("notes/kept")
    kept.set({})
    answer = other.server.http(
        "POST",
        f"{other.emulator}:import",
        json={"export_directory": str(tmp_path / NAME / OVERALL)},
    )
    assert answer.status_code == 200, answer.text
    found = {
        each.reference.path: each.to_dict() for each in other.client().collection("notes").get()
    }
    assert found == {"notes/kept": {}, "notes/n1": {"text": "é", "tags": ["a", {"b": None}]}}
    assert other.client().document("notes/n1/parts/__id7__").get().get("n") == 1.5


def test_an_export_of_the_default_database_holds_the_others_of_its_project(
    project: Project, db: Any, tmp_path: Path
) -> None:
    db.document("a/1").set({"n": 1})
    project.client(database="second").document("a/1").set({"n": 2})
    Project(project.server, f"{project.id}-c", project.add_cleanup).client().document("a/1").set({})
    export(project, tmp_path)
    whole = {"(default)": {"a/1": {"n": 1}}, "second": {"a/1": {"n": 2}}}
    assert read_export(tmp_path / NAME / OVERALL).documents == whole
    export(project, tmp_path, database=f"projects/{project.id}/databases/second", export_name="s")
    only = read_export(tmp_path / "s" / "s.overall_export_metadata").documents
    assert only == {"second": {"a/1": {"n": 2}}}


def test_a_second_export_replaces_the_first(project: Project, db: Any, tmp_path: Path) -> None:
    db.document("a/1").set({})
    export(project, tmp_path)
    db.document("a/1").delete()
    db.document("a/2").set({})
    export(project, tmp_path)
    assert read_export(tmp_path / NAME / OVERALL).documents == {"(default)": {"a/2": {}}}
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        ({"export_name": "a/b"}, 500, "failed to write export"),
        ({"export_name": ".."}, 500, "failed to write export"),
        ({"export_directory": "/nosuch"}, 400, "export_directory must be a directory"),
        ({"export_directory": None}, 400, "Payload isn't valid"),
        ({"database": "nonsense"}, 400, "nonsense"),
    ],
)
def test_what_cannot_be_exported_is_said(
    project: Project, tmp_path: Path, content: dict[str, Any], status: int, words: str
) -> None:
    answer = export(project, tmp_path, **content)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]


def test_a_page_in_a_browser_can_write_no_files(project: Project, tmp_path: Path) -> None:
    answer = project.server.http(
        "POST",
        f"{project.emulator}:export",
        json={"export_directory": str(tmp_path), "export_name": "x"},
        headers={"Origin": "http://localhost:5000"},
    )
    assert answer.status_code == 403
    assert not list(tmp_path.iterdir())


def test_a_damaged_import_changes_nothing(project: Project, db: Any, tmp_path: Path) -> None:
    db.document("a/1").set({"n": 1})
    export(project, tmp_path)
    output = tmp_path / NAME / "all_namespaces" / "all_kinds" / "output-0"
    output.write_bytes(output.read_bytes()[:-1] + b"x")
    db.document("a/1").set({"n": 2})
    answer = project.server.http(
        "POST",
        f"{project.emulator}:import",
        json={"export_directory": str(tmp_path / NAME / OVERALL)},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Checksum doesn't validate."
    assert db.document("a/1").get().to_dict() == {"n": 2}


def test_a_seed_is_there_from_the_start_and_after_a_reset(
    project: Project, db: Any, tmp_path: Path
) -> None:
    db.document("a/1").set({"n": 1})
    export(project, tmp_path)
    options = ServerOptions(host="127.0.0.1", port=0, seed=tmp_path / NAME / OVERALL)
    with running_server(options) as seeded:
        client = Project(seeded, "demo-seeded", project.add_cleanup).client()
        note = client.document("a/1")
        assert note.get().to_dict() == {"n": 1}
        note.delete()
        assert not note.get().exists
        assert seeded.http("POST", "/reset").status_code == 200
        assert note.get().to_dict() == {"n": 1}
        client.close()


@pytest.mark.parametrize("named", [".", NAME, f"{NAME}/{OVERALL}"])
def test_a_seed_may_be_named_in_three_ways(
    project: Project, db: Any, tmp_path: Path, named: str
) -> None:
    db.document("a/1").set({})
    export(project, tmp_path)
    assert read_seed(tmp_path / named).documents["(default)"].keys() == {"a/1"}


def test_a_folder_that_is_no_export_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no export"):
        read_seed(tmp_path)
    (tmp_path / SUITE_METADATA).write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="names no Firestore export"):
        read_seed(tmp_path)


def test_what_a_killed_export_has_left_is_not_taken_for_one(
    project: Project, db: Any, tmp_path: Path
) -> None:
    db.document("a/1").set({})
    export(project, tmp_path)
    (tmp_path / NAME).rename(tmp_path / f".{NAME}-left")
    with pytest.raises(ConfigError, match="is no export"):
        read_seed(tmp_path)
    db.document("a/1").delete()
    export(project, tmp_path)
    assert not read_seed(tmp_path).documents.get("(default)")


def test_an_export_changes_places_with_the_one_before(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name / "within").mkdir(parents=True)
        (tmp_path / name / "within" / "file").write_text(name)
    if not exchange(tmp_path / "old", tmp_path / "new"):
        pytest.skip("this system or file system cannot exchange two folders")
    assert (tmp_path / "old" / "within" / "file").read_text() == "new"
    assert (tmp_path / "new" / "within" / "file").read_text() == "old"
    assert not exchange(tmp_path / "old", tmp_path / "absent")
    assert (tmp_path / "old").is_dir()


def harness_firestore(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "firestore", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_harness_firestore_keeps_its_data_from_one_run_to_the_next(tmp_path: Path) -> None:
    from harness.emulators.firestore_client import firestore_client

    folder = str(tmp_path / "data")
    for run in range(2):
        arguments = ["--export-on-exit", folder]
        if run:
            arguments += ["--import", folder]
        process = harness_firestore(*arguments)
        assert process.stdout is not None
        address = process.stdout.readline().strip().removeprefix("API endpoint: http://")
        client = firestore_client(address, "demo-harness", token="owner")
        assert client.document("runs/first").get().exists is bool(run)
        client.document("runs/first").set({"at": run})
        client.close()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, errors
    assert read_seed(tmp_path / "data").documents == {"(default)": {"runs/first": {"at": 1}}}


WRITER = """
import sys
from pathlib import Path
from harness.backend.databases import Backend
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.values import Timestamp
from harness.server.exports import write_export

service = Backend(IndexDefinitions()).database(DatabaseName("demo-kill"))
folder, round = Path(sys.argv[1]), 0
print("ready", flush=True)
while True:
    round += 1
    now = Timestamp(round)
    service.store.load({ResourcePath(f"c/{n}"): {"round": round} for n in range(200)}, now)
    write_export([service], folder, "e", now, now)
"""


def test_a_kill_leaves_a_whole_export_or_none(tmp_path: Path) -> None:
    kills = int(os.environ.get("HARNESS_KILLS", "6"))
    for number in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.01 + 0.003 * number)
        process.kill()
        process.wait(LIMIT_S)
        process.stdout.close()
        overall = tmp_path / "e" / "e.overall_export_metadata"
        if not overall.exists():
            continue
        try:
            documents = read_export(overall).documents["(default)"]
        except ExportError as error:
            raise AssertionError(f"kill {number} left a damaged export") from error
        assert len(documents) == 200
        assert len({str(fields) for fields in documents.values()}) == 1
        assert ResourcePath("c/0") in documents
