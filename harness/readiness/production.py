"""Whether what is in the repository is fit for production.

Nothing here reaches production: what is set in the console is for people to look at. Dates are
arguments. Must not live here: the rules' lint (`rules/lint`), looking for secrets
(`project_secrets.py`)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from harness.errors import ConfigError
from harness.readiness.review import Problem, Review, count
from harness.rules.lint.access import EXPIRED_TEST_MODE
from harness.rules.lint.model import Finding, Level
from harness.source import SourceText
from harness.tolerant_json import JsonKind, parse_json

FIREBASERC = ".firebaserc"
DEMO = "demo-"

_REGION = re.compile(
    r"\bregion\s*:|\.region\s*\(|\b(?:DEFAULT_)?REGION\b\s*[:=]|\bregion\s*=|\{\s*region\b[^}]*\}"
)
_CALLABLE = re.compile(r"\b(?:onCall(?:Genkit)?|https_fn\.on_call|on_call)\b")
_APP_CHECK = re.compile(r"\b(?:enforceAppCheck|enforce_app_check|consumeAppCheckToken)\b")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|(?m:^\s*#[^\n]*)", re.DOTALL)


def review_projects(firebaserc: SourceText | None) -> Review:
    """Return whether `.firebaserc` names a project to deploy to, which is no demo project."""
    if firebaserc is None:
        fix = f"make it: firebase use --add (`{DEMO}` projects exist in emulators only)"
        return Review("", (Problem(FIREBASERC, "there is none, so no project to deploy to", fix),))
    try:
        value = parse_json(firebaserc)
    except ConfigError as error:
        where = str(error.at or FIREBASERC)
        return Review("", (Problem(where, error.problem, error.fix),))
    data: Any = value.value() if value.kind is JsonKind.OBJECT else {}
    projects = data.get("projects")
    named = projects if isinstance(projects, dict) else {}
    real = {
        alias: project
        for alias, project in named.items()
        if isinstance(project, str) and project and not project.startswith(DEMO)
    }
    if not real:
        what = f"it names no project but {DEMO} ones" if named else "it names no project"
        return Review("", (Problem(FIREBASERC, what, "add the real one: firebase use --add"),))
    shown = ", ".join(f"{project} ({alias})" for alias, project in sorted(real.items()))
    return Review(f"{FIREBASERC} names {shown}")


def review_rules_lint(
    findings: Iterable[tuple[SourceText, Finding]], files: Collection[str]
) -> Review:
    """Return the open rules, and those of test mode, in force or expired."""
    if not files:
        fix = "write rules, and name them in firebase.json"
        return Review("", (Problem("firebase.json", "it names no security rules", fix),))
    problems = tuple(
        Problem(
            str(source.position(found.span.start)),
            f"{found.message} ({found.rule.name})",
            found.rule.fix,
        )
        for source, found in findings
        if found.level is Level.ERROR or found.rule is EXPIRED_TEST_MODE
    )
    return Review(f"no open or test-mode rule in {', '.join(files)}", problems)


def review_predeploy(firebase_json: SourceText) -> Review:
    """Return the codebases of functions that are deployed without a check before it."""
    value: Any = parse_json(firebase_json).value()
    section = value.get("functions") if isinstance(value, dict) else None
    entries = section if isinstance(section, list) else [section] if section else []
    codebases = [entry for entry in entries if isinstance(entry, dict)]
    if not codebases:
        return Review("no functions to deploy")
    problems = []
    for entry in codebases:
        hooks = entry.get("predeploy")
        commands = [hooks] if isinstance(hooks, str) else hooks if isinstance(hooks, list) else []
        if not any(isinstance(command, str) and command.strip() for command in commands):
            name = entry.get("codebase") or entry.get("source") or "default"
            problems.append(
                Problem(
                    "firebase.json",
                    f"functions ({name}) have no predeploy hook",
                    '"predeploy": ["npm --prefix \\"$RESOURCE_DIR\\" test"]',
                )
            )
    return Review(f"{count(len(codebases), 'codebase')} with predeploy hooks", tuple(problems))


def review_region(codebases: Mapping[str, Mapping[str, str]]) -> Review:
    """Return the codebases whose code states no region: where they run is left to a default.

    Args:
        codebases: The texts of each codebase's source files, by folder and file name.
    """
    problems = tuple(
        Problem(folder, "its code states no region", "setGlobalOptions({region: …}), say where")
        for folder, files in codebases.items()
        if not _any(_REGION, files)
    )
    if not codebases:
        return Review("no functions, so no region")
    return Review(f"the region is stated in {', '.join(codebases)}", problems)


def review_app_check(codebases: Mapping[str, Mapping[str, str]]) -> Review:
    """Return the codebases with callables that do not say whether App Check is enforced.

    Saying no is an answer.
    """
    with_callables = {
        folder: files for folder, files in codebases.items() if _any(_CALLABLE, files)
    }
    problems = tuple(
        Problem(
            folder,
            "its callables do not say whether App Check is enforced",
            "set enforceAppCheck in setGlobalOptions: true, or false where you go without",
        )
        for folder, files in with_callables.items()
        if not _any(_APP_CHECK, files)
    )
    if not with_callables:
        return Review("no callable that App Check would guard")
    return Review(f"App Check is settled in {', '.join(with_callables)}", problems)


def review_secrets(found: Sequence[tuple[str, int, str]], files: int) -> Review:
    """Return the secrets that a scanner found: file, line, and what kind."""
    problems = tuple(
        Problem(
            f"{name}:{line}",
            f"this looks like a secret: {kind}",
            "revoke it, and keep it in Secret Manager: firebase functions:secrets:set NAME "
            "(if it is none: a comment `pragma: allowlist secret` on the line)",
        )
        for name, line, kind in found
    )
    return Review(f"no secret in {count(files, 'file')}", problems)


def _any(pattern: re.Pattern[str], files: Mapping[str, str]) -> bool:
    return any(pattern.search(_COMMENT.sub("", text)) for text in files.values())
