"""What each check looks at: the inputs that its evidence will name.

Three sources. The fixtures that it uses say which parts of the back end the emulators run for it.
The interpreter's audit events say which of the project's files it, or a fixture of the project's
own, opens and which folders it lists; a process that it starts may read anything, so that counts as
all of the back end. Its own module is one, with the project's modules that this imports and the
`conftest.py` files above.

Only a run that writes evidence watches. What the names stand for is in `project_inputs`. Not seen
are a file whose existence alone is asked, one that a helper reads once and keeps for all, and the
ticks of the workflow document.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.project import load_project
from harness.project_inputs import BACK_END, HARNESS, Part, ProjectInputs
from harness.pytest_plugin.recorder import INPUTS_ATTRIBUTE
from harness.pytest_plugin.suite import project_folder

_OWN_FIXTURES = "harness.pytest_plugin.fixtures_"
_ASKS_RULES = frozenset({Part.FIRESTORE_RULES, Part.INDEXES})
_EVERYTHING = BACK_END | {Part.ACCESS_MATRIX}

# What the emulators run for a check that uses a fixture. Those that are not here add nothing to
# what the fixtures that they use themselves do.
_PARTS_OF_FIXTURES: Mapping[str, Collection[Part]] = {
    "harness_suite": {Part.FIREBASE_JSON},
    "harness_suite_project": {Part.FUNCTIONS, Part.INDEXES},  # where functions hear of every write
    "firestore_admin": {Part.INDEXES},
    "firestore_reader": {Part.INDEXES},
    "firestore_as": _ASKS_RULES,
    "firestore_unauthenticated": _ASKS_RULES,
    "storage_as": {Part.STORAGE_RULES},
    "storage_unauthenticated": {Part.STORAGE_RULES},
    "harness_access": {Part.ACCESS_MATRIX, Part.FIRESTORE_RULES, Part.STORAGE_RULES},
    "client_contract": {Part.APP},
    "readiness": {Part.FIREBASE_JSON},
    # With these a check makes clients of its own.
    "suite": BACK_END,
    "project_id": BACK_END,
    # This one is about all others.
    "rules_coverage": _EVERYTHING,
}
_READS_ALL_CHECKS = "rules_coverage"
# Fixtures of ours that read files on behalf of the check.
_WATCHED_OWN_FIXTURES = frozenset({"harness_settings", "workflow_document", "readiness"})

_PROCESS_EVENTS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"}
)


@dataclass(slots=True, eq=False)
class Observed:
    """What was opened, listed and started while something ran."""

    files: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    started_process: bool = False

    def update(self, other: Observed) -> None:
        """Add what was observed elsewhere."""
        self.files |= other.files
        self.written |= other.written
        self.folders |= other.folders
        self.started_process = self.started_process or other.started_process


# An audit hook is the interpreter's, and stays for good: there is one, and it tells the innermost
# watcher. Without a watcher it does nothing.
_watchers: list[Observed] = []
_installed: list[bool] = []


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watchers:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, str | bytes):
            is_read = flags & os.O_ACCMODE == os.O_RDONLY
            files = _watchers[-1].files if is_read else _watchers[-1].written
            files.add(_absolute(path))
    elif event in ("os.scandir", "os.listdir"):
        if isinstance(arguments[0], str | bytes):
            _watchers[-1].folders.add(_absolute(arguments[0]))
    elif event in _PROCESS_EVENTS:
        _watchers[-1].started_process = True


def _absolute(path: str | bytes) -> str:
    # At once: a check may be in another folder by the time that the path is looked at.
    name = os.fsdecode(path)
    return name if name.startswith(os.sep) else os.path.join(os.getcwd(), name)  # noqa: PTH109, PTH118


@contextmanager
def watched(observed: Observed) -> Iterator[None]:
    """Take notice of what is opened, listed and started within the block."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_on_event)
    _watchers.append(observed)
    try:
        yield
    finally:
        _watchers.remove(observed)


class InputWatch:
    """Finds the inputs of each check of a run."""

    def __init__(self, config: pytest.Config, began_s: float) -> None:
        """Args:
        began_s: When the run began; what is younger was made by the run.
        """
        self._config = config
        self._began_s = began_s
        self._inputs: ProjectInputs | None = None
        self._by_fixture: dict[str, Observed] = {}
        self._at_collection = Observed()
        self._of_check = Observed()
        self._requested: set[str] = set()
        self._modules: dict[Path, frozenset[Path]] = {}
        # By the file of a check; what does not depend on the check is found out once.
        self._names_of_modules: dict[Path, set[str]] = {}
        self._names_at_collection: set[str] | None = None

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Watch modules as they are imported: what they read counts for all checks."""
        with watched(self._at_collection):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any]
    ) -> Generator[None, object, object]:
        """Watch fixtures of the project's own; ours say by their names what they look at."""
        name = fixturedef.argname
        self._requested.add(name)
        is_ours = getattr(fixturedef.func, "__module__", "").startswith(_OWN_FIXTURES)
        observed = Observed()
        with watched(observed):
            result = yield
        if not is_ours or name in _WATCHED_OWN_FIXTURES:
            self._by_fixture.setdefault(name, Observed()).update(observed)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Begin anew with each check."""
        self._of_check = Observed()
        self._requested = set()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, None, None]:
        """Watch the check itself."""
        with watched(self._of_check):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send the names of the inputs along with the last phase's report."""
        report = yield
        if report.when == "teardown":
            setattr(report, INPUTS_ATTRIBUTE, list(self._names(item)))
        return report

    def _names(self, item: pytest.Item) -> tuple[str, ...]:
        try:
            inputs = self._project_inputs()
            return tuple(sorted(self._inputs_of(item, inputs)))
        except HarnessError:
            return ()  # a check of something that is no Firebase project, or a matrix that is none

    def _inputs_of(self, item: pytest.Item, inputs: ProjectInputs) -> set[str]:
        fixtures = {*getattr(item, "fixturenames", ()), *self._requested}
        observed = Observed()
        observed.update(self._of_check)
        for name in fixtures & self._by_fixture.keys():
            observed.update(self._by_fixture[name])
        parts = {part for name in fixtures for part in _PARTS_OF_FIXTURES.get(name, ())}
        if observed.started_process:
            parts |= BACK_END
        names = {HARNESS, *inputs.names_of(parts)}
        names |= self._read(observed, inputs)
        if self._names_at_collection is None:
            # Modules are followed by what imports them.
            read = (name for name in self._at_collection.files if not name.endswith(".py"))
            self._names_at_collection = self._named(map(Path, read), inputs)
        names |= self._names_at_collection
        if item.path not in self._names_of_modules:
            self._names_of_modules[item.path] = self._named(self._modules_of(item.path), inputs)
        names |= self._names_of_modules[item.path]
        in_folder = inputs.check_names()
        names |= {
            name for name in in_folder if not name.endswith(".py") or _READS_ALL_CHECKS in fixtures
        }
        return names

    def _read(self, observed: Observed, inputs: ProjectInputs) -> set[str]:
        """Return the names of what was read, without what the check or its processes made."""
        paths = [Path(name) for name in observed.files - observed.written]
        if observed.started_process:
            paths = [path for path in paths if not self._is_made(path)]
        search_path = set(sys.path)  # listed by every import
        listed = (Path(name) for name in observed.folders if name not in search_path)
        listings = {inputs.name_of(path, is_listing=True) for path in listed}
        return self._named(paths, inputs) | {name for name in listings if name is not None}

    def _named(self, paths: Iterable[Path], inputs: ProjectInputs) -> set[str]:
        names = (inputs.name_of(path) for path in paths)
        return {name for name in names if name is not None}

    def _is_made(self, path: Path) -> bool:
        try:
            return path.stat().st_mtime >= self._began_s
        except (OSError, ValueError):
            return True

    def _modules_of(self, path: Path) -> set[Path]:
        """Return a module, the conftest files that pytest loads for it, and what they import.

        An installed package, whose folder may be in the project's, is not followed.
        """
        found: set[Path] = set()
        inputs = self._project_inputs()
        root = inputs.project.folder.resolve()
        waiting = [path]
        for folder in path.resolve().parents:
            if folder.is_relative_to(root) and (folder / "conftest.py").is_file():
                waiting.append(folder / "conftest.py")
        while waiting:
            module = waiting.pop()
            if module not in found and inputs.name_of(module) is not None and module.is_file():
                found.add(module)
                if module not in self._modules:
                    self._modules[module] = frozenset(_imported(module, root))
                waiting += self._modules[module]
        return found

    def _project_inputs(self) -> ProjectInputs:
        if self._inputs is None:
            documents = map(Path, self._config.getoption("--harness-workflow"))
            self._inputs = ProjectInputs(load_project(project_folder(self._config)), documents)
        return self._inputs


def _imported(module: Path, root: Path) -> Iterator[Path]:
    """Yield the files of the project that a module imports, by its text."""
    try:
        tree = ast.parse(module.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            base = None
        elif isinstance(node, ast.ImportFrom):
            own = f"{node.module}." if node.module else ""
            names = [node.module or "", *(f"{own}{alias.name}" for alias in node.names)]
            base = module.parents[node.level - 1] if node.level else None
        else:
            continue
        for name in filter(None, names):
            yield from _files_of(name, base, module.parent, root)


def _files_of(name: str, base: Path | None, beside: Path, root: Path) -> Iterator[Path]:
    """Yield a module's file and those of the packages that it is in."""
    parts = name.split(".")
    loaded = sys.modules.get(name) if base is None else None
    file = getattr(loaded, "__file__", None)
    if file is not None:
        folders = []
        if Path(file).is_relative_to(root):
            yield Path(file)
            yield from (
                parent / "__init__.py"
                for parent in list(Path(file).parents)[: len(parts)]
                if (parent / "__init__.py").is_file()
            )
    else:
        folders = [beside] if base is None else [base]
    for folder in folders:
        for depth in range(1, len(parts) + 1):
            stem = folder.joinpath(*parts[:depth])
            for path in (stem.with_suffix(".py"), stem / "__init__.py"):
                if path.is_file():
                    yield path
