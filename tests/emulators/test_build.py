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
    build_functions(folder, folder.parent, said.append)
    assert said == ["building the functions in functions: npm run build"]
    assert (folder / "lib/index.js").read_text() == "exports.a = 1;\n"
    build_functions(folder, folder.parent, said.append)
    assert builds(folder) == 1

    source = folder / "src/index.ts"
    source.write_text("exports.a = 2;\n")
    later = (folder / "lib/index.js").stat().st_mtime + 5
    os.utime(source, (later, later))
    build_functions(folder, folder.parent, said.append)
    assert (folder / "lib/index.js").read_text() == "exports.a = 2;\n"
    assert builds(folder) == 2


def test_a_build_that_fails_says_why_and_what_to_do(folder: Path) -> None:
    write_manifest(folder, 'echo "src/index.ts(1,7): error TS2322: wrong" && exit 2')
    with pytest.raises(FunctionsNotBuilt) as caught:
        build_functions(folder, folder.parent, lambda words: None)
    assert "functions do not build: src/index.ts(1,7): error TS2322: wrong" in str(caught.value)
    assert f"npm run build  (in {folder})" in str(caught.value)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("> lint\n/app/src/a.ts\n   3:8  warning  odd\n", "> lint"),
        ("> lint\n/app/src/a.ts\n   3:8  error  wrong\n", "/app/src/a.ts:3:8  error  wrong"),
        ("compiling\nsrc/a.ts(1,7): error TS1: no\nmore\n", "src/a.ts(1,7): error TS1: no"),
        ("", "it ended with status 2"),
    ],
)
def test_the_first_error_of_a_build_is_named(folder: Path, printed: str, said: str) -> None:
    (folder / "printed.txt").write_text(printed)
    write_manifest(folder, "cat printed.txt && exit 2")
    with pytest.raises(FunctionsNotBuilt) as caught:
        build_functions(folder, folder.parent, lambda words: None)
    assert str(caught.value).startswith(f"functions do not build: {said}\n")


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
    build_functions(folder, folder.parent, said.append)
    assert said == []
    assert builds(folder) == 0
    assert not (folder / "lib").exists()


def test_what_a_build_leaves_that_failed_is_never_taken_for_built(folder: Path) -> None:
    # As tsc does: it writes JavaScript of source that has errors, and ends with 2.
    write_manifest(folder, f"{BUILD}; echo 'src/index.ts(1,1): error TS2322: wrong'; exit 2")
    for times in (1, 2):
        with pytest.raises(FunctionsNotBuilt):
            build_functions(folder, folder.parent, lambda words: None)
        assert builds(folder) == times
    write_manifest(folder, BUILD)
    build_functions(folder, folder.parent, lambda words: None)
    build_functions(folder, folder.parent, lambda words: None)
    assert builds(folder) == 3


@pytest.mark.parametrize("case", ["source put back", "built by others", "no digest", "moved in"])
def test_only_what_was_built_of_this_source_is_not_built_again(folder: Path, case: str) -> None:
    build_functions(folder, folder.parent, lambda words: None)
    built, source = folder / "lib/index.js", folder / "src/index.ts"
    [record] = (folder.parent / ".harness/builds").glob("*.sha256")
    if case == "source put back":
        source.write_text("exports.a = 0;\n")
        os.utime(source, (0, 0))  # a time tells nothing
    elif case == "built by others":
        built.write_text("exports.a = 3;\n")
    elif case == "no digest":
        record.unlink()
    else:
        (folder / "src/more.ts").write_text("")
        os.utime(folder / "src/more.ts", (0, 0))
    build_functions(folder, folder.parent, lambda words: None)
    assert builds(folder) == 2
    assert built.read_text() == source.read_text()
    assert (record.parent / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    ("main", "times"), [("dist/index.js", 2), ("index.js", 0), ("src/a.js", 0)]
)
def test_javascript_that_is_built_is_built_again_and_other_is_left_alone(
    folder: Path, main: str, times: int
) -> None:
    (folder / "tsconfig.json").unlink()
    (folder / "src/a.js").write_text("exports.a = 1;\n")
    (folder / "index.js").write_text("exports.a = 1;\n")
    write_manifest(folder, "mkdir -p dist && cp src/a.js dist/index.js && echo >> builds.log")
    manifest = json.loads((folder / "package.json").read_text())
    (folder / "package.json").write_text(json.dumps({**manifest, "main": main}))
    build_functions(folder, folder.parent, lambda words: None)
    (folder / "src/a.js").write_text("exports.a = 2;\n")
    build_functions(folder, folder.parent, lambda words: None)
    build_functions(folder, folder.parent, lambda words: None)
    assert builds(folder) == times


def test_functions_beside_the_project_are_built_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "backend").mkdir()
    build_functions(folder, tmp_path / "backend", lambda words: None)
    build_functions(folder, tmp_path / "backend", lambda words: None)
    assert builds(folder) == 1
