"""From what is found to the files that are written: harness.yaml, checks, a CI job, and a workflow
document if there is none.

Each check either proves something on any project, or is a skeleton that says what is missing:
nothing that is written here passes without proof. An item gets its checks only if a document has
it by name; what is near is named, and not guessed. Must not live here: files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import WorkflowError
from harness.scaffold.found import FoundProject
from harness.workflow.address import nearest_names
from harness.workflow.document import WorkflowDocument
from harness.workflow.documents import WorkflowDocuments

HARNESS_YAML = "harness.yaml"
WORKFLOW = "workflow/backend-workflow.md"
_GITHUB = ".github/workflows/harness.yml"
_GITLAB = ".gitlab/harness.yml"
_PROJECT_ID_LENGTH = 30
_LINE_LENGTH = 99
# What YAML reads as the text that it is; a single dot is one too.
_PLAIN = re.compile(r"\.|(\.\./|[A-Za-z_])[A-Za-z0-9_./-]*")
_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to write.

    Attributes:
        name: From the project's folder, or from the repository's.
        in_repository: Whether it counts from the repository's.
        about: What it is, in a few words.
    """

    name: str
    text: str
    about: str
    in_repository: bool = False


@dataclass(frozen=True, slots=True)
class _Check:
    """A file of checks: its template, what it is about, and the items that it may be for."""

    template: str
    about: str
    items: tuple[str, ...]


_SUITE = _Check(
    "test_emulator_suite.py",
    "the suite starts with every service and function",
    (
        "Testing/Test with Firebase Emulator Suite",
        "Setup/Set up Firebase emulators for local development",
    ),
)
_FILES = _Check(
    "test_file_structure.py",
    "the files of firebase.json are there",
    ("Setup/Review file structure requirements",),
)
_RULES = _Check(
    "test_security_rules.py",
    "what is open without signing in; who may do what is a skeleton",
    ("Testing/Verify security rules",),
)
_RULES_QUALITY = _Check(
    "test_rules_quality.py",
    "rules load and are not open; each rule as each persona is a skeleton",
    ("Quality Check/Security rules testing",),
)
_FUNCTIONS = _Check(
    "test_functions.py", "a skeleton: what each function does", ("Testing/Test Cloud Functions",)
)
_FLUTTER = _Check(
    "test_flutter_app.py",
    "the app's queries have indexes; that they are allowed is a skeleton",
    ("Testing/Integration testing with Flutter frontend",),
)


def plan_files(
    found: FoundProject, templates: Mapping[str, str], template_document: WorkflowDocument
) -> tuple[PlannedFile, ...]:
    """Return what to write, in the order in which a person reads it.

    Args:
        found: The project.
        templates: Text of each file of `files/`, by its name.
        template_document: The workflow document for a project that has none.
    """
    documents = found.documents or (template_document,)
    planned = [PlannedFile(HARNESS_YAML, _settings(found), "settings")]
    if not found.documents:
        planned.append(
            PlannedFile(
                WORKFLOW, template_document.text, "the workflow document, from the template"
            )
        )
    for check in _checks(found):
        text = _filled(check, found, templates, WorkflowDocuments(documents))
        planned.append(PlannedFile(f"{found.checks_folder}/{check.template}", text, check.about))
    if found.has_gitlab:
        text = _with_project(templates["gitlab.yml"], found.in_repository)
        about = f"the CI job; in .gitlab-ci.yml: include: [{{local: {_GITLAB}}}]"
        planned.append(PlannedFile(_GITLAB, text, about, in_repository=True))
    else:
        text = _with_project(templates["github.yml"], found.in_repository)
        planned.append(PlannedFile(_GITHUB, text, "the CI job", in_repository=True))
    return tuple(planned)


def _checks(found: FoundProject) -> Iterator[_Check]:
    if found.services:
        yield _SUITE
    if found.files:
        yield _FILES
    if found.firestore is not None:
        yield _RULES
    if found.rules:
        yield _RULES_QUALITY
    if found.functions:
        yield _FUNCTIONS
    if found.apps and "firestore" in found.services:
        yield _FLUTTER


def _filled(
    check: _Check,
    found: FoundProject,
    templates: Mapping[str, str],
    documents: WorkflowDocuments,
) -> str:
    addition = {_SUITE: "functions_loaded.txt", _FLUTTER: "functions_called.txt"}.get(check)
    app = templates["app_services.txt"].strip("\n") if found.apps else ""
    values = {
        "@MARK@": _mark(check.items, documents),
        "@PUBLIC@": _public(found),
        "@APP@": app,
        "@FUNCTIONS@": templates[addition].strip("\n") if addition and found.functions else "",
    }
    text = templates[f"{check.template}.txt"]
    for name, value in values.items():
        text = text.replace(name, value)
    return re.sub(r"\n{4,}", "\n\n\n", text).rstrip() + "\n"


def _mark(items: Sequence[str], documents: WorkflowDocuments) -> str:
    """Return the mark that ties a file of checks to its items, or what to write in its place."""
    named = list(dict.fromkeys(name for item in items if (name := _name_of(item, documents))))
    if named:
        line = f"pytestmark = pytest.mark.workflow({', '.join(map(_quoted, named))})"
        if len(line) <= _LINE_LENGTH:
            return line
        rows = "".join(f"    {_quoted(item)},\n" for item in named)
        return f"pytestmark = pytest.mark.workflow(\n{rows})"
    titles = [item.title for each in documents.documents for item in each.items if item.text]
    nearest = nearest_names(items[0], titles, count=1)
    near = f"; the nearest is {_quoted(nearest[0])}" if nearest else ""
    return (
        f"# No workflow document has {_quoted(items[0])}{near}.\n"
        "# Name the item that this verifies:\n"
        '# pytestmark = pytest.mark.workflow("Heading/Item text")'
    )


def _name_of(item: str, documents: WorkflowDocuments) -> str:
    """Return what an item is called in the documents, be it under another heading; empty where none
    has it by its text, or one has it twice."""
    for address in (item, item.rpartition("/")[2]):
        try:
            found = documents.find(address)
        except WorkflowError:
            continue
        return item if address == item else found[0].item.title
    return ""


def _public(found: FoundProject) -> str:
    public = found.firestore.public if found.firestore is not None else ()
    if not public:
        return "set()"
    rows = "".join(f"    ({_quoted(method)}, {_quoted(path)}),\n" for method, path in public)
    return f"{{\n{rows}}}"


def _quoted(text: str) -> str:
    """Return a Python literal, in double quotes wherever that needs no escapes."""
    return f'"{text}"' if text.isprintable() and not set(text) & {'"', "\\"} else repr(text)


def _settings(found: FoundProject) -> str:
    lines = [
        "# Settings of the harness. All keys are optional; its docs/settings.md lists them.",
        "",
        "# The emulators' project; it begins with demo-, so that nothing reaches a real one.",
        f"project_id: {found.demo_project or _project_id(found.name)}",
        "",
    ]
    if found.documents and not found.is_discovered:
        lines += ["# The workflow documents.", "workflow:"]
        lines += [f"  - {_yaml(document.source.file_name)}" for document in found.documents]
    elif found.documents:
        names = ", ".join(_yaml(document.source.file_name) for document in found.documents)
        lines += [f"# The workflow documents are found by themselves: {names}"]
    else:
        lines += [f"# The workflow document is found by itself: {WORKFLOW}"]
    lines.append("")
    if found.apps:
        lines += ["# The Flutter app, whose Dart code is read."]
        lines += [f"flutter: {_yaml(found.apps[0])}"]
        lines += [f"#        {_yaml(app)} is another" for app in found.apps[1:]]
    else:
        lines += ["# The Flutter app's folder, from here; none was found.", "# flutter: app"]
    lines += [
        "",
        "# Who asks in checks, and in the access matrix. `uid: null` is signed out.",
        "# personas:",
        "#   owner: {uid: alice}",
        "#   stranger: {uid: mallory}",
        "#   support: {uid: sue, claims: {support: true}}",
        "#   anonymous: {uid: null}",
        "",
        "# What an action may cost at most, in billed reads.",
        "# budgets:",
        "#   open the first page: 40",
        "",
        "# Which items checks verify, where their own marks do not fit your documents.",
        "# checks:",
        '#   "test_security_rules.py": Heading/Item text',
    ]
    return "\n".join(lines) + "\n"


def _project_id(name: str) -> str:
    words = "-".join(re.findall(r"[a-z0-9]+", name.lower()))
    return f"demo-{words or 'app'}"[:_PROJECT_ID_LENGTH].rstrip("-")


def _yaml(text: str) -> str:
    """Return a text as YAML has it, in double quotes where it could be read as something else."""
    if _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS:
        return text
    return '"' + "".join(map(_yaml_char, text)) + '"'


def _yaml_char(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _with_project(text: str, in_repository: str) -> str:
    """Return a CI file for a project in a folder of the repository."""
    return text.replace("PROJECT: .", f"PROJECT: {_yaml(in_repository or '.')}", 1)
