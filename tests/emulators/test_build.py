"""Functions in TypeScript are built before they are loaded, when their source is newer."""

import json
import os
import shutil
from pathlib import Path

import pytest

from harness.emulators.build import FunctionsNotBuilt, build_functions

BUILD = "mkdir -p lib && cp src/index.ts lib/index.js && echo built >> builds.log"

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "functions"
    (folder / "src").mkdir(parents=True)
    (folder / "node_modules").mkdir()
    (folder / "tsconfig.json").write_text("{}")
    (folder / "src/index.ts").write_text("exports.a = 1;\n")
    write_manifest(folder, BUILD)
    return folder


def write_manifest(folder: Path, build: str | None, **more: object) -> None:
    scripts = {} if build is None else {"build": build}
    manifest = {"main": "lib/index.js", "scripts": scripts, **more}
    (folder / "package.json").write_text(json.dumps(manifest))


def builds(folder: Path) -> int:
    log = folder / "builds.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_what_is_not_built_is_built_once_and_again_when_its_source_changes(folder: Path) -> None:
    said: list[str] = []
    build_functions(folder, said.append)
    assert said == ["building the functions in functions: npm run build"]
    assert (folder / "lib/index.js").read_text() == "exports.a = 1;\n"
    build_functions(folder, said.append)
    assert builds(folder) == 1

    source = folder / "src/index.ts"
    source.write_text("exports.a = 2;\n")
    later = (folder / "lib/index.js").stat().st_mtime + 5
    os.utime(source, (later, later))
    build_functions(folder, said.append)
    assert (folder / "lib/index.js").read_text() == "exports.a = 2;\n"
    assert builds(folder) == 2


def test_a_build_that_fails_says_why_and_what_to_do(folder: Path) -> None:
    write_manifest(folder, 'echo "src/index.ts(1,7): error TS2322: wrong" && exit 2')
    with pytest.raises(FunctionsNotBuilt) as caught:
        build_functions(folder, lambda words: None)
    assert "functions do not build: src/index.ts(1,7): error TS2322: wrong" in str(caught.value)
    assert f"npm run build  (in {folder})" in str(caught.value)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("case", ["no script", "no packages", "no package.json", "no object"])
def test_nothing_is_done_where_there_is_nothing_to_build_with(folder: Path, case: str) -> None:
    if case == "no script":
        write_manifest(folder, None)
    elif case == "no packages":
        (folder / "node_modules").rmdir()
    elif case == "no package.json":
        (folder / "package.json").unlink()
    else:
        (folder / "package.json").write_text("[]")
    said: list[str] = []
    build_functions(folder, said.append)
    assert said == []
    assert builds(folder) == 0
    assert not (folder / "lib").exists()
