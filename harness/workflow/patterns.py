"""`checks:` of harness.yaml: which items checks verify, by patterns of the checks' names.

For documents that checks were not written for: what a pattern fits, it decides, and the check's own
marks are not read. In a pattern `*` stands for any characters and `?` for one; it fits a whole
file, `test_rules.py`, or checks in one, `test_rules.py::test_owner*`, counted from the project's
folder or from the folder of checks. Must not live here: finding the items (`documents.py`)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_TEST, _TEST_CLASS = "test", "Test"


@dataclass(frozen=True, slots=True)
class CheckPattern:
    """A pattern and the addresses of the items that checks of it verify."""

    pattern: str
    addresses: tuple[str, ...]
    _regex: re.Pattern[str] = field(repr=False, compare=False)

    def fits(self, nodeid: str, checks_folder: str) -> bool:
        """Whether a check, or a file of checks, is meant.

        Args:
            nodeid: As pytest names it from the project's folder.
            checks_folder: The folder of checks, from there.
        """
        names = [nodeid]
        inside = nodeid.removeprefix(f"{checks_folder.strip('/')}/")
        names += [inside] if inside != nodeid else []
        return any(self._regex.fullmatch(name) for name in names)


class CheckMap:
    """The patterns of a project."""

    def __init__(self, patterns: Mapping[str, Sequence[str]], checks_folder: str) -> None:
        self._folder = checks_folder
        self.patterns = tuple(
            CheckPattern(pattern, tuple(addresses), _regex(pattern))
            for pattern, addresses in patterns.items()
        )

    def addresses(self, nodeid: str) -> tuple[str, ...] | None:
        """Return the addresses of the items that a check verifies; None where no pattern fits."""
        fitting = [each for each in self.patterns if each.fits(nodeid, self._folder)]
        if not fitting:
            return None
        return tuple(dict.fromkeys(address for each in fitting for address in each.addresses))

    def addresses_of_file(self, name: str, source: str) -> tuple[tuple[str, ...], bool]:
        """Return what the checks in a file verify by patterns, from its text alone, and whether
        that is true of all of them, so that marks in it say nothing.
        """
        whole = self.addresses(name)
        if whole is not None:
            return whole, True
        found = [self.addresses(f"{name}::{check}") for check in _check_names(source)]
        named = dict.fromkeys(address for each in found for address in each or ())
        return tuple(named), bool(found) and None not in found


def _regex(pattern: str) -> re.Pattern[str]:
    """Translate a pattern; one without `::` fits all checks of the file, and one without brackets a
    check with all its parameters."""
    parts = {"*": ".*", "?": "."}
    text = "".join(parts.get(char) or re.escape(char) for char in pattern)
    behind = "" if pattern.endswith("]") else r"(\[.*\])?"
    behind = behind if "::" in pattern else "(::.*)?"
    return re.compile(text + behind, re.DOTALL)


def _check_names(source: str) -> Iterator[str]:
    """Yield the names of the checks in a file's text, as nodeids have them behind the file."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith(_TEST_CLASS):
            for inner in node.body:
                if isinstance(inner, _FUNCTIONS) and inner.name.startswith(_TEST):
                    yield f"{node.name}::{inner.name}"
        elif isinstance(node, _FUNCTIONS) and node.name.startswith(_TEST):
            yield node.name
