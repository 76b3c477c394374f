"""Small projects, and the command line run in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cli.main import run

WORKFLOW = """\
# Feature: sharing

Some words,\tand a tab.

## Testing
- [ ] Verify security rules
- [ ] Test Cloud Functions
* [x] Performance testing

| a | table |
|---|-------|

- [ ] Nobody checks this
"""

RULES = """\
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /users/{uid} {
      allow read, write: if request.auth != null && request.auth.uid == uid;
    }
  }
}
"""

RULES_CHECK = '''\
import pytest
from google.api_core.exceptions import PermissionDenied

pytestmark = pytest.mark.workflow("Testing/Verify security rules")


def test_owner(firestore_as):
    """An owner writes their own profile."""
    firestore_as("alice").document("users/alice").set({"name": "Alice"})


def test_stranger(firestore_as):
    """A stranger cannot read it."""
    with pytest.raises(PermissionDenied):
        firestore_as("bob").document("users/alice").get()
'''

FUNCTIONS_CHECK = '''\
import pytest

pytestmark = pytest.mark.workflow("Testing/Test Cloud Functions")


def test_hello(call_function):
    """The function greets."""
    assert call_function("hello") == "hello"
'''


@dataclass
class Ran:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


@dataclass
class ProjectFolder:
    """A project to run commands in."""

    path: Path

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def read(self, name: str) -> str:
        return (self.path / name).read_bytes().decode()

    @property
    def workflow(self) -> str:
        return self.read("workflow/feature.md")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A project with rules and a workflow document, and no checks yet; the working directory."""
    folder = ProjectFolder(tmp_path / "project")
    folder.write("firebase.json", '{"firestore": {"rules": "firestore.rules"}}')
    folder.write("firestore.rules", RULES)
    folder.write("workflow/feature.md", WORKFLOW)
    monkeypatch.chdir(folder.path)
    return folder


@pytest.fixture
def without_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Node, and without a suite that runs already."""
    for name in ("FIREBASE_EMULATOR_HUB", "FIRESTORE_EMULATOR_HOST", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))


@pytest.fixture
def harness(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command as the shell does, and take what it prints."""

    def call(*words: object) -> Ran:
        capfd.readouterr()
        status = run([str(word) for word in words])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return Ran(status, captured.out, captured.err)

    return call
