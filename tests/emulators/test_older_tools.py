"""What an old firebase-tools looks for, in its cache and by its configuration.

Source: observed: firebase-tools 11.30, 12.9, 13.10, 13.20, emulator/downloadableEmulators.js;
13.29, config.js.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.emulators.launcher import ServerCommand, write_launcher
from harness.emulators.older_tools import file_names, make_reachable, takes_whole_paths

OLD = """
const EMULATOR_UPDATE_DETAILS = {
    database: {
        version: "4.11.2",
        expectedSize: 34495935,
    },
    firestore: {
        version: "1.19.6",
        expectedSize: 66349770,
    },
    storage: {
        version: "1.1.3",
        expectedSize: 52892936,
    },
"""
NAMES = {
    "firestore": "cloud-firestore-emulator-v1.19.6.jar",
    "storage": "cloud-storage-rules-runtime-v1.1.3.jar",
}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (OLD, NAMES),
        (OLD + "process.env[`${emulator.toUpperCase()}_EMULATOR_BINARY_PATH`]", {}),
        ("", {}),
        (None, {}),
    ],
    ids=["old", "new", "another", "none"],
)
def test_the_names_are_those_of_its_versions(
    tmp_path: Path, text: str | None, names: dict[str, str]
) -> None:
    (tmp_path / "emulator").mkdir()
    if text is not None:
        (tmp_path / "emulator" / "downloadableEmulators.js").write_text(text)
    assert file_names(tmp_path) == names


JOINS = """
    path(pathName) {
        const outPath = path.normalize(path.join(this.projectDir, pathName));
"""
KNOWS = """
    path(pathName) {
        if (path.isAbsolute(pathName)) {
            return pathName;
"""


@pytest.mark.parametrize(
    ("text", "knows"), [(JOINS, False), (KNOWS, True), (None, True)], ids=["13.29", "15", "none"]
)
def test_it_is_told_whether_whole_paths_are_found(
    tmp_path: Path, text: str | None, knows: bool
) -> None:
    if text is not None:
        (tmp_path / "config.js").write_text(text)
    assert takes_whole_paths(tmp_path) is knows


def test_its_cache_has_our_markers_and_what_the_real_one_has(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "ui-v1.11.7").mkdir()
    (real / NAMES["firestore"]).write_text("Google's")
    folder = tmp_path / "run"
    folder.mkdir()
    launcher = write_launcher(
        folder,
        firestore=ServerCommand("harness.server"),
        storage=ServerCommand("harness.server.storage_rules"),
        real_java=None,
        real_npm=None,
        old_names=NAMES,
        real_cache=real,
    )
    cache = Path(launcher.environment["FIREBASE_EMULATORS_PATH"])
    assert (cache / "ui-v1.11.7").is_dir()
    java = (launcher.bin_dir / "java").read_text()
    for name in NAMES.values():
        assert str(cache / name) in java
        assert "stands in" in (cache / name).read_text()
    assert (real / NAMES["firestore"]).read_text() == "Google's"  # the user's own is left alone


def test_what_its_configuration_names_is_found_below_its_folder(tmp_path: Path) -> None:
    rules = tmp_path / "project" / "storage.rules"
    rules.parent.mkdir()
    rules.write_text("rules")
    make_reachable(tmp_path / "run", [rules])
    # As it joins them, path.join(folder, "/absolute/path").
    assert Path(f"{tmp_path / 'run'}/{rules}").read_text() == "rules"
