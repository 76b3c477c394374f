"""A project's rules files: which there are, their texts, and the rulesets that they make.

Everyone who needs a project's rules loads them here, so that what does not load is said in the same
words everywhere. What rules mean is decided in `rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import ConfigError, HarnessError, RulesSyntaxError, joined
from harness.files import read_text_file
from harness.project import Project, load_project
from harness.rules import examples
from harness.rules.issues import Issue, Severity
from harness.rules.lint.linter import lint_ruleset
from harness.rules.lint.model import Level
from harness.rules.request import FIRESTORE, STORAGE
from harness.rules.ruleset import CompiledRuleset, LoadedRuleset, load_ruleset
from harness.source import SourceText


@dataclass(frozen=True, slots=True)
class ProjectRulesets:
    """The rulesets of a project's default database and default bucket; None where firebase.json
    names none.
    """

    firestore: CompiledRuleset | None
    storage: CompiledRuleset | None

    def of_service(self, service: str) -> CompiledRuleset | None:
        """Return the ruleset for `cloud.firestore` or `firebase.storage`."""
        return self.storage if service == STORAGE else self.firestore

    def by_service(self) -> dict[str, CompiledRuleset]:
        """Return the rulesets that there are."""
        pairs = ((FIRESTORE, self.firestore), (STORAGE, self.storage))
        return {service: ruleset for service, ruleset in pairs if ruleset is not None}


def load_rulesets(project: Project) -> ProjectRulesets:
    """Load the rulesets that firebase.json names for the default database and bucket.

    Raises:
        HarnessError: One is missing or does not load.
    """
    database = project.firebase.default_firestore
    bucket = next((bucket for bucket in project.firebase.storage if bucket.target is None), None)
    return ProjectRulesets(
        loaded(read_rules(project, database.rules)) if database and database.rules else None,
        loaded(read_rules(project, bucket.rules)) if bucket else None,
    )


def rules_names(project: Project) -> tuple[str, ...]:
    """Return every rules file that firebase.json names, each once, those of Firestore first."""
    names = [database.rules for database in project.firebase.firestore]
    names += [bucket.rules for bucket in project.firebase.storage]
    return tuple(dict.fromkeys(name for name in names if name))


def read_rules(project: Project, name: str) -> SourceText:
    """Read a rules file; places in it are named as in the project, so that they can stand in
    evidence.

    Args:
        name: As in firebase.json.
    Raises:
        HarnessError: It is missing or unreadable.
    """
    path = project.folder / name
    if not path.exists():
        raise ConfigError(
            f"firebase.json names {name}, and there is no such file",
            fix="make the file, or correct firebase.json",
        )
    return SourceText(name, read_text_file(path).text)


def loaded(source: SourceText, *, fix: str = "correct the rules") -> CompiledRuleset:
    """Load a text of rules.

    Args:
        fix: What to do if they do not load.
    Raises:
        HarnessError: They do not load; several errors come as a group.
    """
    made = load_ruleset(source)
    if made.ruleset is None:
        raise joined(rules_errors(source, made, fix=fix))
    return made.ruleset


def example_documents(folder: Path) -> tuple[str, ...]:
    """Return example documents of the rules of a project's default database: one for each pattern
    that allows something.

    Raises:
        HarnessError: The rules do not load.
    """
    ruleset = load_rulesets(load_project(folder)).firestore
    return () if ruleset is None else examples.example_documents(ruleset)


def serious_findings(folder: Path) -> list[str]:
    """Return what `harness rules lint` calls an error in any rules of a project, such as data that
    is open to everyone: a line each, with its place.

    Raises:
        HarnessError: Rules do not load.
    """
    project = load_project(folder)
    found = []
    for name in rules_names(project):
        source = read_rules(project, name)
        made = load_ruleset(source)
        ruleset = loaded(source) if made.ruleset is None else made.ruleset
        findings = lint_ruleset(
            source,
            ruleset.tree,
            ruleset.resolved,
            made.issues,
            today=datetime.now(UTC).date(),
            off=project.settings.rules.lint_off,
        )
        found += [
            f"{source.position(finding.span.start)}: {finding.message} ({finding.rule.name})"
            for finding in findings
            if finding.level.reaches(Level.ERROR)
        ]
    return found


def rules_errors(
    source: SourceText, made: LoadedRuleset, *, fix: str = "correct the rules"
) -> list[HarnessError]:
    """Return why rules do not load, error by error."""
    return [
        RulesSyntaxError(issue_text(source, issue), fix=fix, at=issue.position)
        for issue in made.issues
        if issue.severity is Severity.ERROR
    ]


def issue_text(source: SourceText, issue: Issue) -> str:
    """Return what is wrong, with the line and a caret under the place."""
    caret = "".join(f"\n  {line}" for line in source.caret(issue.span).splitlines())
    return f"{issue.description}{caret}"
