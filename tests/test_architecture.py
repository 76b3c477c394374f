"""Imports follow the levels, and the pure levels touch nothing outside.

The levels are in ARCHITECTURE.md. A module may import from a lower level or from its own folder;
the modules of one level that lie directly in `harness/` count as one folder.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "harness"

LEVELS = {
    "errors": 0,
    "records": 0,
    "source": 0,
    "tolerant_json": 0,
    "config": 0,
    "example_fields": 0,
    "workflow": 1,
    "firestore": 1,
    "rules": 1,
    "flutter": 1,
    "billing": 1,
    "load": 1,
    "backend": 2,
    "reports": 2,
    "scaffold": 2.1,  # what `harness init` writes
    "seeds": 2.2,  # data of databases as YAML
    "access": 2.3,  # the access matrix: the backend in process, without a shell
    "review": 2.6,  # of rulesets: neighbours, diff, mutants
    "yaml_settings": 0,
    "readiness": 2.7,  # app, rules, indexes and documents held against each other
    "files": 3,
    "git": 3,
    "project_rules": 3.6,
    "recordings": 3.7,
    "rules_coverage": 3.7,
    "costs": 3.7,
    "query_records": 3.7,
    "access_table": 3.7,  # above `project`, whose files it reads
    "project": 3.5,  # above `files`, which it reads with; below the entrances
    "flutter_project": 3,
    "project_secrets": 3.8,
    "document_reviews": 3.9,
    "project_readiness": 3.9,  # above all whose files it reviews
    "project_inputs": 3.8,  # above `access_table`, whose files are inputs
    "server": 4,
    "emulators": 4,
    "mutation": 4.5,  # runs checks against mutants, on an emulator of its own
    "pytest_plugin": 5,
    "cli": 5,
}
FIRST_SHELL = 3
IMPURE_MODULES = {
    "asyncio", "grpc", "http", "httpx", "os", "pathlib", "psutil", "pytest", "random", "requests",
    "secrets", "select", "shutil", "signal", "socket", "starlette", "subprocess", "tempfile",
    "threading", "time", "urllib", "uuid", "uvicorn",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input"}

MODULES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).as_posix() not in {"__init__.py", "__main__.py"}
)


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def may_import(own: str, other: str) -> bool:
    if own == other or LEVELS[other] < LEVELS[own]:
        return True
    both_lie_directly = not any((PACKAGE / name).is_dir() for name in (own, other))
    return LEVELS[other] == LEVELS[own] and both_lie_directly


def imports(tree: ast.AST) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.module or "", node.lineno))
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"line {node.lineno}: relative import; write it in full")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_only_what_its_level_allows(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = room(path)
    assert own in LEVELS, f"harness/{own} has no level: give it one here and in ARCHITECTURE.md"
    for name, line in imports(tree):
        parts = name.split(".")
        if parts[0] == "harness" and len(parts) > 1:
            assert may_import(own, parts[1]), f"line {line}: level {LEVELS[own]} imports {name}"
        if LEVELS[own] < FIRST_SHELL:
            assert parts[0] not in IMPURE_MODULES, f"line {line}: a pure module imports {name}"


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if LEVELS.get(room(path), FIRST_SHELL) < FIRST_SHELL],
    ids=lambda path: path.relative_to(PACKAGE).as_posix(),
)
def test_a_pure_module_calls_nothing_outside(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in IMPURE_CALLS, f"line {node.lineno}: calls {node.func.id}()"
