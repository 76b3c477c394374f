"""The tables of tests/corpus/clients: read, checked, and divided among the clients.

tests/corpus/clients/README.md has the notation. Nothing runs here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "corpus" / "clients"
CLIENTS_FILE = FOLDER / "clients.yaml"

_TABLE_KEYS = {"source", "shared", "indexes", "rules", "documents", "by", "cases"}
_CASE_KEYS = {"name", "source", "indexes", "rules", "documents", "by", "except", "steps"}
_STEP_KEYS = {"by", "gives", "fails"}
_SETTING = ("indexes", "rules", "documents", "by")
# What is asked of a query or a listener that not every client can say.
_OPTIONS = ("select", "offset", "metadata")


@dataclass(frozen=True, slots=True)
class Fails:
    """An expected failure.

    Args:
        codes: Any of these; a server library refuses some requests itself, without a code.
        message: A regular expression found in the message; empty: not looked at.
    """

    codes: tuple[str, ...]
    message: str = ""


@dataclass(frozen=True, slots=True)
class Gives:
    """An expected value, as JSON."""

    value: Any


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a client, and what it is to give; None: to succeed."""

    verb: str
    given: tuple[Any, ...]
    by: Mapping[str, Any]
    expected: Gives | Fails | None

    def as_json(self) -> dict[str, Any]:
        return {"verb": self.verb, "given": [_plain(each) for each in self.given], "by": self.by}


@dataclass(frozen=True, slots=True)
class Case:
    """Steps on a project, each case on one of its own unless its table is shared.

    Args:
        setting: Rules, indexes, documents, and by whom steps are asked, with the table's.
        exceptions: Client -> why it is not asked.
        needs: What a client must have: verbs, and features such as `$integer` or `rules`.
    """

    name: str
    source: str
    setting: Mapping[str, Any]
    steps: tuple[Step, ...]
    exceptions: Mapping[str, str]
    needs: frozenset[str]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            **self.setting,
            "steps": [step.as_json() for step in self.steps],
        }


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    shared: bool
    setting: Mapping[str, Any]
    cases: tuple[Case, ...]

    def as_json(self, cases: tuple[Case, ...]) -> dict[str, Any]:
        return {
            "name": self.name,
            "shared": self.shared,
            **self.setting,
            "cases": [case.as_json() for case in cases],
        }


@dataclass(frozen=True, slots=True)
class Client:
    """A published client. `lacks`: verbs and features -> why it has none."""

    name: str
    title: str
    lacks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A case that a client cannot be asked, and why."""

    client: str
    table: str
    case: str
    reason: str


def read_tables(folder: Path = FOLDER) -> tuple[Table, ...]:
    """Read every table of the folder.

    Raises:
        ValueError: One is malformed; the message says where.
    """
    files = sorted(file for file in folder.glob("*.yaml") if file.name != CLIENTS_FILE.name)
    return tuple(read_table(file.stem, file.read_text(encoding="utf-8")) for file in files)


def read_table(name: str, text: str) -> Table:
    content = yaml.safe_load(text)
    _only(content, _TABLE_KEYS, name)
    source, shared = content.get("source", ""), bool(content.get("shared", False))
    setting = {key: content[key] for key in _SETTING if key in content}
    cases = tuple(_case(name, each, source, setting, shared) for each in content["cases"])
    if not cases:
        raise ValueError(f"{name}: no cases")
    names = [case.name for case in cases]
    if repeated := {each for each in names if names.count(each) > 1}:
        raise ValueError(f"{name}: two cases are named {', '.join(sorted(repeated))}")
    return Table(name, shared, setting, cases)


def read_clients(text: str) -> tuple[Client, ...]:
    content = yaml.safe_load(text)
    _only(content, {"reasons", "clients"}, "clients")
    return tuple(
        Client(name, about["title"], dict(_flat(about["lacks"])))
        for name, about in content["clients"].items()
    )


def divide(client: Client, tables: tuple[Table, ...]) -> tuple[list[dict[str, Any]], list[LeftOut]]:
    """Give a client its cases, as JSON, and say which it does not get."""
    plan: list[dict[str, Any]] = []
    left_out: list[LeftOut] = []
    for table in tables:
        asked: list[Case] = []
        for case in table.cases:
            reasons = [
                *(client.lacks[need] for need in sorted(case.needs & client.lacks.keys())),
                *(case.exceptions[client.name] for _ in [0] if client.name in case.exceptions),
            ]
            if reasons:
                left_out.append(LeftOut(client.name, table.name, case.name, reasons[0]))
            else:
                asked.append(case)
        if asked:
            plan.append(table.as_json(tuple(asked)))
    return plan, left_out


def _case(
    table: str,
    about: dict[str, Any],
    source: str,
    setting: Mapping[str, Any],
    shared: bool,
) -> Case:
    where = f"{table}, {about.get('name')}"
    _only(about, _CASE_KEYS, where)
    own = {key: about[key] for key in _SETTING if key in about}
    if shared and own.keys() - {"by"}:
        raise ValueError(f"{where}: a case of a shared table has the table's {', '.join(own)}")
    if not about.get("source", source):
        raise ValueError(f"{where}: no source")
    steps = tuple(_step(where, each) for each in about["steps"])
    expected = [step for step in steps if step.expected is not None]
    if not expected:
        raise ValueError(f"{where}: nothing is expected of it")
    whole = {**setting, **own}
    needs = {
        *({"rules"} if "rules" in whole else ()),
        *_needs([step.as_json() for step in steps]),
        *_needs(whole.get("documents", {})),
    }
    return Case(
        about["name"],
        about.get("source", source),
        {key: whole[key] for key in whole if not shared or key == "by"},
        steps,
        about.get("except", {}),
        frozenset(needs),
    )


def _step(where: str, about: dict[str, Any]) -> Step:
    verbs = about.keys() - _STEP_KEYS
    if len(verbs) != 1 or {"gives", "fails"} <= about.keys():
        raise ValueError(f"{where}: a step has one verb, and gives or fails: {about}")
    (verb,) = verbs
    argument = about[verb]
    given = argument if isinstance(argument, list) else [] if argument is None else [argument]
    if verb == "at_once":
        given = [_step(where, each) for each in given]
    elif verb == "begin":
        given = [given[0], _step(where, given[1])]
    elif verb == "transaction":
        given = [[_inner(where, each) for each in given[0]], *given[1:]]
    expected: Gives | Fails | None = None
    if "gives" in about:
        expected = Gives(about["gives"])
    elif "fails" in about:
        expected = _fails(where, about["fails"])
    return Step(verb, tuple(given), about.get("by", {}), expected)


def _fails(where: str, about: Any) -> Fails:
    if isinstance(about, str):
        return Fails((about,))
    _only(about, {"code", "message"}, where)
    code = about["code"]
    return Fails(tuple(code) if isinstance(code, list) else (code,), about.get("message", ""))


def _inner(where: str, about: dict[str, Any]) -> list[Any]:
    """A step within a transaction: its verb and what it is given."""
    ((verb, argument),) = about.items()
    given = argument if isinstance(argument, list) and verb != "get_all" else [argument]
    if verb == "meanwhile":
        given = [_step(where, each) for each in given]
    elif verb == "begin":
        given = [given[0], _step(where, given[1])]
    return [verb, *given]


def _plain(given: Any) -> Any:
    if isinstance(given, Step):
        return given.as_json()
    return [_plain(each) for each in given] if isinstance(given, list) else given


def _needs(content: Any) -> Iterator[str]:
    """What of a case's JSON a client may lack."""
    if isinstance(content, list):
        if content and content[0] == "create":
            yield "create"
        for each in content:
            yield from _needs(each)
    elif isinstance(content, dict):
        if "verb" in content:
            yield content["verb"]
        if content.get("verb") == "delete" and len(content["given"]) > 1:
            yield "preconditions"
        if content.get("verb") == "transaction":
            yield from (f"transaction.{inner[0]}" for inner in content["given"][0])
            yield from (
                f"transaction.{option}" for given in content["given"][1:] for option in given
            )
        yield from (feature for feature in _OPTIONS if feature in content)
        for key, inner in content.items():
            if key.startswith("$"):
                yield key
            yield from _needs(inner)


def _flat(lacks: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
    for group in lacks:
        _only(group, {"what", "reason"}, "clients")
        yield from ((what, group["reason"]) for what in group["what"])


def _only(content: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := content.keys() - known:
        raise ValueError(f"{where}: unknown: {', '.join(sorted(unknown))}")
