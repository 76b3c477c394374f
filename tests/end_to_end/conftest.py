"""A copy of this repository, as someone has it who has just cloned and set it up."""

import shutil
from pathlib import Path

import pytest

from harness.project import load_workflow
from harness.workflow.edit import set_ticks
from harness.workflow.marks import addresses_in_source

REPOSITORY = Path(__file__).parent.parent.parent

COPIED = (
    "backend",
    "checks",
    "Makefile",
    "constraints.txt",
    "firebase.json",
    ".firebaserc",
    "harness.yaml",
    "package.json",
    "package-lock.json",
    "pyproject.toml",
)
#: What set-up makes: the same for every copy, and slow to make again.
LINKED = (".venv", ".stamps", "node_modules", "backend/functions/node_modules")


#: What is newer than set-up makes it run again.
SET_UP_FROM = ("pyproject.toml", "constraints.txt")

DOCUMENT = "backend/workflow/backend-workflow.md"


def _untick_what_checks_tick(document: Path) -> None:
    """Undo what `make verify` may have done to the document in this repository."""
    read = load_workflow(document)
    named = {
        read.find(address).item_id
        for file in (REPOSITORY / "checks").glob("test_*.py")
        for address in addresses_in_source(file.read_text()) or ()
    }
    assert len(named) >= 20
    document.write_text(set_ticks(read, dict.fromkeys(named, False)))


@pytest.fixture
def repository_copy(tmp_path: Path) -> Path:
    """The sample backend with its checks in a folder of its own."""
    return copy_repository(tmp_path)


def copy_repository(folder: Path) -> Path:
    """Copy the sample backend and its checks to below a folder."""
    missing = [name for name in LINKED if not (REPOSITORY / name).exists()]
    if missing:
        pytest.skip(f"the sample backend is not set up: `make setup` makes {', '.join(missing)}")
    stamp = (REPOSITORY / ".stamps" / "python").stat().st_mtime
    if any((REPOSITORY / name).stat().st_mtime > stamp for name in SET_UP_FROM):
        # `make` in the copy would install the copy into the virtual environment that is linked.
        pytest.fail("set-up is older than what it is made from: run `make setup`")
    copy = folder / "repository"
    copy.mkdir()
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=ignored)
        else:
            shutil.copy2(source, copy / name)
    _untick_what_checks_tick(copy / DOCUMENT)
    for name in LINKED:
        (copy / name).symlink_to(REPOSITORY / name)
    return copy
