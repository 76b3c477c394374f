"""Which items the text of a file of checks names, without running it.

Must not live here: finding the items (`document.py`), pytest."""

from __future__ import annotations

import ast
from collections.abc import Iterator

MARK = "workflow"
_CALL = f"mark.{MARK}("


def addresses_in_source(text: str) -> tuple[str, ...] | None:
    """Return the addresses that a file's `pytest.mark.workflow("…")` marks hold, each once.

    None means that the text does not tell: it does not parse, or a mark is written with something
    else than plain text.
    """
    if _CALL not in text:
        return ()
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    addresses: dict[str, None] = {}
    for call in _workflow_marks(tree):
        if not call.args:
            return None
        for argument in call.args:
            if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                return None
            addresses[argument.value] = None
    return tuple(addresses)


def _workflow_marks(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == MARK
        ):
            owner = node.func.value
            if (isinstance(owner, ast.Attribute) and owner.attr == "mark") or (
                isinstance(owner, ast.Name) and owner.id == "mark"
            ):
                yield node
