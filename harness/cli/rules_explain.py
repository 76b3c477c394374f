"""`harness rules explain`: why the rules allow or deny a request, expression by expression."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from harness.access.decide import MatrixQuestions
from harness.access.model import AccessMatrix, AccessRow
from harness.access.reader import draft_of_texts, read_matrix
from harness.access.rows import GROUP_WORDS, rows_of
from harness.access.yaml_values import timestamp_of
from harness.access_table import read_access_matrix
from harness.cli import options, render
from harness.config import Persona, Settings
from harness.errors import ConfigError
from harness.files import read_text_file
from harness.firestore.values import Timestamp
from harness.project import Project, find_project_folder, load_project
from harness.project_rules import load_rulesets, loaded
from harness.recordings import own_rulesets, read_run
from harness.rules.explain_request import explain_request
from harness.rules.explain_text import full_text, summary
from harness.rules.recorded import RecordedRequest, ReplaySource
from harness.rules.request import FIRESTORE, STORAGE, Method
from harness.rules.ruleset import CompiledRuleset
from harness.source import SourcePosition, SourceText
from harness.yaml_settings import YamlReader

_NOBODY = "nobody"
_FULL_AT_MOST = 3
_LINES_AT_MOST = 50
_WHERE = re.compile(
    r"\s*(?P<field>[^\s=<>!]+?)\s*"
    r"(?P<operator>==|!=|<=|>=|<|>|\s(?:in|not-in|array-contains|array-contains-any)\s)"
    r"\s*(?P<value>.+)",
    re.DOTALL,
)
_STORAGE_KEYS = {"size": "size", "contentType": "content_type", "metadata": "metadata"}


@click.command("explain")
@options.project
@click.option("--get", metavar="PATH", help="Read a document: groups/home.")
@click.option("--list", "list_", metavar="PATH", help="Query a collection: groups.")
@click.option("--collection-group", metavar="ID", help="Query all collections with an id.")
@click.option("--create", metavar="PATH", help="Create a document, with --data.")
@click.option("--update", metavar="PATH", help="Update a document, with --data.")
@click.option("--delete", metavar="PATH", help="Delete a document.")
@click.option("--data", metavar="YAML", help="Fields as YAML or JSON; with --storage the object.")
@click.option("--by", type=click.Choice(["set", "merge"]), help="The call that writes --data.")
@click.option("--where", multiple=True, metavar="FIELD==VALUE", help="A filter; may be repeated.")
@click.option("--order-by", multiple=True, metavar="FIELD[:desc]", help="May be repeated.")
@click.option("--limit", type=click.IntRange(0), metavar="N")
@click.option("--as", "as_", metavar="NAME", help="A persona of harness.yaml, else a uid.")
@click.option("--anonymous", is_flag=True, help="Not signed in, as --as nobody; the default.")
@click.option("--claims", metavar="YAML", help="Claims besides those of the persona.")
@click.option(
    "--documents",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What is stored, as YAML or JSON: a mapping from path to fields."
    " Default: the sample of the access matrix.",
)
@click.option(
    "--rules",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Default: the ones that firebase.json names.",
)
@click.option("--storage", is_flag=True, help="The paths are those of files in Storage.")
@click.option("--now", metavar="TIME", help="When the request arrives. Default: the present.")
@click.option("--last", is_flag=True, help="Explain what the last run's checks were denied.")
@click.option("--match", metavar="TEXT", help="With --last: only where this is in the line.")
def command(
    project_dir: Path | None,
    documents: Path | None,
    rules: Path | None,
    now: str | None,
    last: bool,
    match: str | None,
    **asked: Any,
) -> int:
    """Say why the security rules allow or deny a request, with the value of every expression.

    Nothing is started and nothing is stored: writes go through the backend's own masks and
    transforms, and are then forgotten.

    Exit status: 0 allowed; 1 denied; 2 wrong usage, or rules that do not load. With --last always
    0.
    """
    project = _project(project_dir, needed=rules is None or last)
    if last:
        assert project is not None
        _print_last(project, match or "")
        return 0
    if match is not None:
        raise click.UsageError("--match is for --last")
    settings = project.settings if project is not None else Settings()
    name, persona = _caller(settings, asked)
    moment = _moment(now)
    sample = _sample(project, settings, documents, moment, {name: persona})
    row = _row(asked, {**sample.personas, name: persona})
    matrix = replace(sample, personas={**sample.personas, name: persona}, rows=(row,))
    ruleset = _ruleset(project, rules, row.service)
    recorded = MatrixQuestions(matrix).cell(row, name, ruleset).recorded
    source = ReplaySource(recorded.documents)
    for decision in recorded.decisions:
        explanation = explain_request(ruleset, decision.request, source)
        render.text(full_text(explanation))
    return 0 if recorded.allowed else 1


# What is asked


def _row(asked: Mapping[str, Any], personas: Mapping[str, Persona]) -> AccessRow:
    """Return the request that the options describe."""
    method, path = _method_and_path(asked)
    texts = {"name": "the request", "method": method.value, "path": path, "allow": "none"}
    if asked["collection_group"] is not None:
        del texts["path"]
        texts["group"] = asked["collection_group"]
    if asked["storage"]:
        texts["service"] = "storage"
        texts.update(_object_texts(asked["data"]))
    else:
        texts.update({key: asked[key] for key in ("data", "by") if asked[key] is not None})
    if asked["where"]:
        texts["where"] = f"[{', '.join(map(_where_text, asked['where']))}]"
    if asked["order_by"]:
        texts["order"] = f"[{', '.join(map(_order_text, asked['order_by']))}]"
    if asked["limit"] is not None:
        texts["limit"] = str(asked["limit"])
    places = {key: SourcePosition(_option_of(key, method), 1, 1) for key in texts}
    draft = draft_of_texts(texts, places, SourcePosition("the request", 1, 1))
    (row,) = rows_of([draft], personas)
    return row


def _method_and_path(asked: Mapping[str, Any]) -> tuple[Method, str]:
    names = {method: "list_" if method is Method.LIST else method.value for method in Method}
    given = [(method, asked[name]) for method, name in names.items() if asked[name] is not None]
    if asked["collection_group"] is not None:
        given.append((Method.LIST, ""))
    if len(given) != 1:
        said = "several requests" if given else "no request"
        raise click.UsageError(
            f"{said}: give one of --get, --list, --collection-group, --create, --update, --delete"
        )
    method, path = given[0]
    return method, str(path).strip("/")


def _option_of(key: str, method: Method) -> str:
    names = {"path": method.value, "group": "collection-group", "order": "order-by"}
    names |= dict.fromkeys(_STORAGE_KEYS.values(), "data")
    return f"--{names.get(key, key)}"


def _where_text(text: str) -> str:
    parts = _WHERE.fullmatch(text)
    if parts is None:
        raise ConfigError(
            f"--where {text} is no filter",
            fix='write FIELD==VALUE, or another operator: "tags array-contains red"',
        )
    return f"['{parts['field']}', '{parts['operator'].strip()}', {parts['value']}]"


def _order_text(text: str) -> str:
    field, _, direction = text.partition(":")
    return f"['{field}', {direction or 'asc'}]"


def _object_texts(data: str | None) -> dict[str, str]:
    """Return what --data says of an object in Storage, as cells of the access matrix."""
    if data is None:
        return {}
    reader = YamlReader(SourceText("--data", data))
    node = reader.root()
    entries = reader.mapping(node, "--data", allowed=tuple(_STORAGE_KEYS)) if node else {}
    return {
        _STORAGE_KEYS[key]: data[value.start_mark.index : value.end_mark.index].strip("'\" ")
        for key, value in entries.items()
    }


def _caller(settings: Settings, asked: Mapping[str, Any]) -> tuple[str, Persona]:
    """Return who asks, under a name for the table."""
    name = asked["as_"]
    if asked["anonymous"] and name not in (None, _NOBODY):
        raise click.UsageError("--anonymous and --as: one of them")
    persona = settings.personas.get(name) if name is not None else None
    if persona is None:
        name = name or _NOBODY
        persona = Persona(None if name == _NOBODY else name)
    if asked["claims"] is not None:
        reader = YamlReader(SourceText("--claims", asked["claims"]))
        node = reader.root()
        claims = reader.plain(node, "--claims") if node is not None else {}
        if not isinstance(claims, dict):
            raise ConfigError("--claims is not a mapping", fix="write {admin: true}")
        if persona.uid is None:
            raise ConfigError("claims of someone who is not signed in", fix="say who with --as")
        persona = Persona(persona.uid, {**persona.claims, **claims})
    return f"uid {name}" if name in GROUP_WORDS else name, persona


def _moment(text: str | None) -> Timestamp:
    if text is None:
        return Timestamp(time.time_ns() // 1_000_000 * 1_000)
    moment = timestamp_of(text)
    if moment is None:
        raise ConfigError(f"--now {text} is not a time", fix="write it as 2026-01-31T12:00:00Z")
    return moment


# What it is asked of


def _project(folder: Path | None, *, needed: bool) -> Project | None:
    try:
        return load_project(find_project_folder(folder or Path.cwd()))
    except ConfigError:
        if needed or folder is not None:
            raise
        return None


def _sample(
    project: Project | None,
    settings: Settings,
    documents: Path | None,
    now: Timestamp,
    callers: Mapping[str, Persona],
) -> AccessMatrix:
    """Return what is stored, as an access matrix: of a file, or of the project's own."""
    matrix = None
    if documents is None and project is not None:
        matrix = read_access_matrix(project, now)
    if matrix is not None:
        return matrix
    text = "rows: []" if documents is None else "documents: 'of the option'\nrows: []"
    return read_matrix(
        SourceText("--documents", text),
        key=None,
        personas={**settings.personas, **callers},
        project_id=settings.project_id,
        now=now,
        read_text=lambda _: read_text_file(documents or Path()),
    )


def _ruleset(project: Project | None, rules: Path | None, service: str) -> CompiledRuleset:
    if rules is not None:
        return _of_service(read_text_file(rules), service)
    assert project is not None
    ruleset = load_rulesets(project).of_service(service)
    if ruleset is None:
        what = "Storage" if service == STORAGE else "Firestore"
        raise ConfigError(f"firebase.json names no rules of {what}", fix="name them with --rules")
    return ruleset


def _of_service(source: SourceText, service: str) -> CompiledRuleset:
    ruleset = loaded(source)
    if service not in ruleset.services:
        option = " (leave out --storage)" if service == STORAGE else " (or give --storage)"
        raise ConfigError(
            f"{source.file_name} has no rules of {service}",
            fix=f"name another file with --rules{option if service != FIRESTORE else ''}",
        )
    return ruleset


# The last run


def _print_last(project: Project, match: str) -> None:
    """Print a line for each denied request of the last run, or all of it where they are few."""
    run = read_run(project.folder)
    if not run.requests:
        raise ConfigError(
            "no requests are recorded", fix="run the checks: harness verify, or pytest"
        )
    rulesets = [loaded(source) for source in own_rulesets(project).values()]
    by_service = {service: ruleset for ruleset in rulesets for service in ruleset.services}
    found = [
        (line, each)
        for each in run.requests
        if each.service in by_service
        for line in [_line(by_service[each.service], each)]
        if line is not None and match in f"{each.origin} {line}"
    ]
    if len(found) <= _FULL_AT_MOST:
        for _, each in found:
            render.text(f"{each.origin}:")
            render.text(f"{_full(by_service[each.service], each)}\n")
        return
    origin = ""
    for line, each in found[:_LINES_AT_MOST]:
        if each.origin != origin:
            origin = each.origin
            render.text(f"{origin}:")
        render.text(f"  {line}")
    if len(found) > _LINES_AT_MOST:
        render.note(f"… {len(found) - _LINES_AT_MOST} more; choose with --match TEXT")
    _note_what_is_not_there(len(run.foreign), run.left_out)


def _note_what_is_not_there(foreign: int, left_out: int) -> None:
    if foreign:
        render.note(f"{foreign} requests are not here: rules that a check had loaded decided them")
    if left_out:
        render.note(f"{left_out} requests were not recorded, for want of room")


def _line(ruleset: CompiledRuleset, recorded: RecordedRequest) -> str | None:
    """Return why rules, as they are now, deny a request; None if they do not."""
    return next(iter(_denials(ruleset, recorded, summary)), None)


def _full(ruleset: CompiledRuleset, recorded: RecordedRequest) -> str:
    return "\n".join(_denials(ruleset, recorded, full_text))


def _denials(ruleset: CompiledRuleset, recorded: RecordedRequest, text: Any) -> Sequence[str]:
    source = ReplaySource(recorded.documents)
    explained = (
        explain_request(ruleset, asked.request, source)
        for asked in recorded.decisions
        if not ruleset.decide(asked.request, source).allowed
    )
    return [text(each) for each in explained]
