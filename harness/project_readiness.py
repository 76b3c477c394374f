"""Reviews of a project's files: reads what `readiness/` judges.

Each method reads the files it needs when it is called, so that a check which calls it depends on
those files alone. Must not live here: what is right or wrong, pytest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path

from harness.document_reviews import TECH_STACK_ITEM, DocumentReviews
from harness.errors import ConfigError, EnvironmentLacking, WorkflowError
from harness.files import read_text_file
from harness.firestore.index_definitions import IndexDefinitions, parse_index_file
from harness.flutter.contract import ClientContract
from harness.flutter_project import read_client_contract
from harness.project import FIREBASE_JSON, Project, files_below, workflow_paths
from harness.project_rules import load_rulesets, loaded, read_rules, rules_names
from harness.project_secrets import find_secrets
from harness.readiness import collections, documentation, emulators, production
from harness.readiness.review import Problem, Review, joined
from harness.rules.lint.linter import lint_ruleset
from harness.rules.ruleset import load_ruleset
from harness.source import SourceText
from harness.tolerant_json import parse_json

_SOURCE_SUFFIXES = frozenset({".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".py"})
_TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec"})
_CHANGELOGS = frozenset({"changelog.md", "history.md", "news.md"})


class ProjectReadiness:
    """Reviews one project, and its workflow documents.

    Args:
        project: The project.
        documents: Gives the workflow documents' paths, when a review is about them. Each must hold:
            a check that names an item names it in each document that has it.
    """

    def __init__(self, project: Project, documents: Callable[[], Sequence[Path]]) -> None:
        self.project = project
        self._documents_meant = documents

    # The workflow documents: what is said holds for each of them

    def links(self) -> Review:
        """Every link of the documents leads to a file, and to a heading of it; addresses on the web
        are well-formed. None of them is fetched."""
        return joined(each.links() for each in self._each_document())

    def tech_stack(self, item: str = TECH_STACK_ITEM) -> Review:
        """The documents that an item links to are there, say something, and name each Firebase
        service in use."""
        return joined(each.tech_stack(item) for each in self._each_document())

    def tasks_identified(self, phase: str | None = None) -> Review:
        """The document names the phase file, and a section of it with backend tasks.

        Args:
            phase: The phase file, from the project's folder; by default the one that the document
                links to behind `Project Phase`.
        """
        return joined(each.tasks_identified(phase) for each in self._each_document())

    def details_copied(self, phase: str | None = None) -> Review:
        """Name and description of *Primary Feature* are those of the phase file."""
        return joined(each.details_copied(phase) for each in self._each_document())

    def broken_down(self, phase: str | None = None) -> Review:
        """Each backend task of the phase file is in *Component Features*, and no placeholder is."""
        return joined(each.broken_down(phase) for each in self._each_document())

    # Firebase

    def emulators(self) -> Review:
        """The emulators block of firebase.json has an emulator for each service, each on a port of
        its own. Whether they start, only a start can tell."""
        return emulators.review_emulators(self.project.firebase)

    def collections(self) -> Review:
        """App, security rules and index file speak of the same collections."""
        try:
            contract = self._contract()
        except EnvironmentLacking as error:
            return Review("", unknown=f"{error.problem}; {error.fix}")
        return collections.review_collections(
            contract,
            load_rulesets(self.project).firestore,
            self._indexes(),
            indexes_file=self._indexes_file,
            other_names=self._named_collections(),
        )

    def functions_documented(self, functions: Collection[str], *folders: str) -> Review:
        """Every one of these functions is named in the project's documents.

        Args:
            functions: Names, as `functions.deployed()` has them.
            folders: Where the documents are, from the project's folder; by default anywhere.
        """
        return documentation.review_function_names(functions, self._documents(folders))

    # Production

    def production(self, today: date) -> Review:
        """All that the repository says of production: see the methods below."""
        return joined(
            [
                self.deploy_target(),
                self.rules_closed(today),
                self.secrets(),
                self.predeploy(),
                self.region_and_app_check(),
                self.indexes_complete(),
            ]
        )

    def deploy_target(self) -> Review:
        """`.firebaserc` names a project that is no demo project."""
        path = self.project.folder / production.FIREBASERC
        source = SourceText(path.name, read_text_file(path).text) if path.is_file() else None
        return production.review_projects(source)

    def rules_closed(self, today: date) -> Review:
        """No rules file has open rules, or those of test mode, in force or expired.

        Args:
            today: The day for which rules with dates are judged.
        """
        names = rules_names(self.project)
        findings = []
        for name in names:
            source = read_rules(self.project, name)
            ruleset = loaded(source)
            issues = load_ruleset(source).issues
            off = self.project.settings.rules.lint_off
            found = lint_ruleset(
                source, ruleset.tree, ruleset.resolved, issues, today=today, off=off
            )
            findings += [(source, finding) for finding in found]
        return production.review_rules_lint(findings, names)

    def secrets(self) -> Review:
        """No file of the repository holds a secret, as far as patterns tell."""
        return production.review_secrets(*find_secrets(self.project.folder))

    def predeploy(self) -> Review:
        """Each codebase of functions is checked before it is deployed."""
        text = read_text_file(self.project.folder / FIREBASE_JSON).text
        return production.review_predeploy(SourceText(FIREBASE_JSON, text))

    def region_and_app_check(self) -> Review:
        """The functions' code states their region, and whether App Check is enforced."""
        codebases = {
            codebase.source: self._sources(self.project.folder / codebase.source)
            for codebase in self.project.firebase.functions
        }
        return joined(
            [
                production.review_region(codebases),
                production.review_app_check(codebases),
            ]
        )

    def indexes_complete(self) -> Review:
        """The index file serves every query of the app."""
        if not self.project.firebase.firestore:
            return Review("no Firestore, so no indexes")
        if not self._indexes_file:
            fix = 'add "indexes": "firestore.indexes.json" to firestore'
            return Review("", (Problem(FIREBASE_JSON, "it names no index file", fix),))
        try:
            contract = self._contract()
        except EnvironmentLacking as error:
            return Review("", unknown=f"{error.problem}; {error.fix}")
        return collections.review_indexes(
            contract, self._indexes(), indexes_file=self._indexes_file
        )

    # Reading

    def _each_document(self) -> Iterator[DocumentReviews]:
        paths = self._documents_meant()
        if not paths:
            raise WorkflowError(
                "there is no workflow document", fix="name it under `workflow:` in harness.yaml"
            )
        return (DocumentReviews(self.project, path) for path in paths)

    def _contract(self) -> ClientContract:
        folder = self.project.settings.flutter_folder
        return read_client_contract(self.project.folder, folder)

    @cached_property
    def _indexes_file(self) -> str:
        database = self.project.firebase.default_firestore
        return (database.indexes or "") if database is not None else ""

    def _indexes(self) -> IndexDefinitions:
        if not self._indexes_file:
            return IndexDefinitions()
        path = self.project.folder / self._indexes_file
        if not path.is_file():
            raise ConfigError(
                f"firebase.json names {self._indexes_file}, and there is no such file",
                fix="make the file, or correct firebase.json",
            )
        source = SourceText(self._indexes_file, read_text_file(path).text)
        return parse_index_file(parse_json(source).value(), self._indexes_file)

    def _named_collections(self) -> frozenset[str]:
        """Return the names of collections in the functions' code."""
        return frozenset(
            name
            for codebase in self.project.firebase.functions
            for text in self._sources(self.project.folder / codebase.source).values()
            for name in collections.names_in_code(text)
        )

    def _sources(self, folder: Path) -> dict[str, str]:
        """Return the texts of a codebase's source files, without its tests."""
        return {
            self.project.relative(path): read_text_file(path).text
            for path in files_below(folder)
            if path.suffix in _SOURCE_SUFFIXES
            and not _TEST_FOLDERS.intersection(path.relative_to(folder).parts)
            and ".test." not in path.name
        }

    def _documents(self, folders: Collection[str]) -> dict[str, str]:
        """Return the project's documents, without plans and records of changes."""
        return {
            self.project.relative(path): read_text_file(path).text
            for folder in (folders or ("",))
            for path in self._markdown(self.project.folder / folder)
        }

    def _markdown(self, folder: Path) -> Iterator[Path]:
        known = workflow_paths(self.project.folder, self.project.settings)
        documents = {path.resolve() for path in known}
        plans = {path.parent for path in documents} - {self.project.folder.resolve()}
        for path in files_below(folder):
            if path.suffix.lower() not in (".md", ".mdx", ".rst", ".txt"):
                continue
            if path.name.lower() in _CHANGELOGS or path.name.lower() == "license.txt":
                continue
            resolved = path.resolve()
            if resolved not in documents and not plans.intersection(resolved.parents):
                yield path
