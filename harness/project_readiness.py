"""Reviews of a project's files: reads what `readiness/` judges.

Each method reads the files it needs when it is called, so that a check which calls it depends on
those files alone. Must not live here: what is right or wrong, pytest."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from datetime import date
from functools import cached_property
from pathlib import Path

from harness.errors import ConfigError, EnvironmentLacking, WorkflowError
from harness.files import read_text_file
from harness.firestore.index_definitions import IndexDefinitions, parse_index_file
from harness.flutter.contract import ClientContract
from harness.flutter_project import read_client_contract
from harness.project import FIREBASE_JSON, Project, files_below, load_workflow, workflow_paths
from harness.project_rules import load_rulesets, loaded, read_rules, rules_names
from harness.project_secrets import find_secrets
from harness.readiness import collections, documentation, emulators, production
from harness.readiness.review import Problem, Review, count, joined
from harness.rules.lint.linter import lint_ruleset
from harness.rules.ruleset import load_ruleset
from harness.source import SourceText
from harness.tolerant_json import parse_json
from harness.workflow.backend_tasks import Fate, Selection
from harness.workflow.document import WorkflowDocument, parse_workflow
from harness.workflow.feature import (
    StatedFeature,
    differences,
    is_filled,
    missing_tasks,
    selection_for,
    stated_feature,
)
from harness.workflow.links import Link, LinkKind, anchors_in, links_in
from harness.workflow.phase import PhaseFile, parse_phase

_SOURCE_SUFFIXES = frozenset({".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".py"})
_TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec"})
_CHANGELOGS = frozenset({"changelog.md", "history.md", "news.md"})


class ProjectReadiness:
    """Reviews one project, and one workflow document of it.

    Args:
        project: The project.
        document: The workflow document's path.
    """

    def __init__(self, project: Project, document: Path) -> None:
        self.project = project
        self._document_path = document

    # The workflow document

    @property
    def document(self) -> WorkflowDocument:
        """The document as it is now, named as in the project."""
        name = self.project.relative(self._document_path)
        return parse_workflow(SourceText(name, load_workflow(self._document_path).text))

    def links(self) -> Review:
        """Every link of the document leads to a file, and to a heading of it; addresses on the web
        are well-formed. None of them is fetched."""
        return self._links(links_in(self.document.text))

    def tech_stack(self, item: str = "Documentation Review/Tech stack guidelines") -> Review:
        """The documents that an item of the document links to are there, say something, and name
        each Firebase service in use."""
        document = self.document
        found = [
            candidate
            for candidate in document.items
            if candidate.title.lower().startswith(item.lower())
        ] or [document.find(item)]
        links = [link for link in links_in(found[0].text) if link.kind is LinkKind.FILE]
        where = f"{document.source.file_name}:{found[0].line}"
        if not links:
            fix = "link to the documents about the stack: [Tech Stack](../tech-stack.md)"
            return Review("", (Problem(where, "it links to no document", fix),))
        review = self._links([Link(link.text, link.target, found[0].line) for link in links])
        if review.problems:
            return review
        texts = {
            self.project.relative(path): read_text_file(path).text
            for path in (self._target(link) for link in links)
            if path.is_file()
        }
        return joined([review, documentation.review_tech_stack(self.project.firebase, texts)])

    def tasks_identified(self, phase: str | None = None) -> Review:
        """The document names the phase file, and a section of it with backend tasks.

        Args:
            phase: The phase file, from the project's folder; by default the one that the document
                links to behind `Project Phase`.
        """
        feature, found = self._feature(phase)
        if isinstance(found, Review):
            return found
        selection = self._selection(feature, found)
        if isinstance(selection, Review):
            return selection
        section = selection.section
        where = f"{found.source.file_name}:{section.line}"
        taken = selection.of(Fate.TAKEN)
        if not taken:
            what = f'"{section.name}" has no backend task ({where})'
            return self._at(feature.name_line, what, "name the section that has them")
        return Review(f'"{section.name}" ({where}) has {count(len(taken), "line")} of backend work')

    def details_copied(self, phase: str | None = None) -> Review:
        """Name and description of *Primary Feature* are those of the phase file."""
        feature, found = self._feature(phase)
        if isinstance(found, Review):
            return found
        problems = tuple(
            self._problem(line, what, f"copy it from {found.source.file_name}")
            for line, what in differences(feature, found)
        )
        return Review(f'"{feature.name}" is described as in {found.source.file_name}', problems)

    def broken_down(self, phase: str | None = None) -> Review:
        """Each backend task of the phase file is in *Component Features*, and no placeholder is."""
        feature, found = self._feature(phase)
        if isinstance(found, Review):
            return found
        selection = self._selection(feature, found)
        if isinstance(selection, Review):
            return selection
        name = found.source.file_name
        problems = [
            self._problem(
                item.line, f"{item.text or 'an empty box'} is not filled in", "fill it in"
            )
            for item in feature.components
            if item.is_placeholder
        ]
        problems += [
            Problem(
                f"{name}:{line}",
                f"no component feature of {self.document.source.file_name} names it: {text}",
                "add it to Component Features, word for word",
            )
            for line, text in missing_tasks(feature, selection)
        ]
        if not feature.components:
            problems.append(self._problem(feature.name_line, "no component feature", "add them"))
        own = count(len(feature.components), "item")
        asked = selection.of(Fate.ASKED)
        unsaid = f"; {count(len(asked), 'line')} of it do not say whose work" if asked else ""
        return Review(f"{own} hold all backend tasks of {name}{unsaid}", tuple(problems))

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

    def _feature(self, phase: str | None) -> tuple[StatedFeature, PhaseFile | Review]:
        feature = stated_feature(self.document)
        if phase is not None:
            path = self.project.folder / phase
        elif feature.phase_link is None:
            fix = "write it as **Project Phase:** Name ([phase file](phases/name.md))"
            what = "Project Phase links to no phase file"
            return feature, self._at(feature.phase_line, what, fix)
        else:
            path = self._target(feature.phase_link)
        if not path.is_file():
            what = f"there is no phase file {os.path.relpath(path, self.project.folder)}"
            return feature, self._at(feature.phase_line, what, "correct the link")
        if not is_filled(feature.name):
            return feature, self._at(
                feature.name_line, "Name is not filled in", "name a section of the phase file"
            )
        source = SourceText(self.project.relative(path), read_text_file(path).text)
        return feature, parse_phase(source)

    def _selection(self, feature: StatedFeature, phase: PhaseFile) -> Selection | Review:
        try:
            return selection_for(feature, phase)
        except WorkflowError as error:
            return self._at(feature.name_line, error.problem, error.fix)

    def _links(self, links: Collection[Link]) -> Review:
        problems = []
        followed = on_the_web = 0
        for link in links:
            if link.kind is LinkKind.MALFORMED:
                what = f'"{link.target}" is no address'
                problems.append(self._problem(link.line, what, "correct it: https://host/path"))
            elif link.kind is LinkKind.WEB:
                on_the_web += 1
            elif link.kind in (LinkKind.FILE, LinkKind.ANCHOR):
                followed += 1
                problem = self._broken(link)
                if problem:
                    problems.append(
                        self._problem(link.line, problem, "correct the link, or write it")
                    )
        web = f"; {count(on_the_web, 'web address', 'web addresses')} well-formed, not fetched"
        return Review(
            f"{count(followed, 'link')} resolve{web if on_the_web else ''}", tuple(problems)
        )

    def _broken(self, link: Link) -> str:
        target = self._target(link)
        # Opened or listed, not only looked for: what was looked at is an input of the evidence.
        if target.is_dir():
            list(target.iterdir())
            return ""
        if not target.is_file():
            return f"[{link.text}]({link.target}) leads to no file"
        is_markdown = target.suffix.lower() in (".md", ".markdown")
        if not is_markdown:
            with target.open("rb"):
                return ""
        anchors = anchors_in(read_text_file(target).text)
        if link.anchor and link.anchor.lower() not in anchors:
            return f"[{link.text}]({link.target}) leads to no heading of that name"
        return ""

    def _target(self, link: Link) -> Path:
        """Return where a link leads; one that begins with `/` counts from the project's folder."""
        if link.kind is LinkKind.ANCHOR:
            return self._document_path
        if link.path.startswith("/"):
            return self.project.folder / link.path.lstrip("/")
        return Path(os.path.normpath(self._document_path.parent / link.path))

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
        documents = {path.resolve() for path in self._workflow_paths()}
        plans = {path.parent for path in documents} - {self.project.folder.resolve()}
        for path in files_below(folder):
            if path.suffix.lower() not in (".md", ".mdx", ".rst", ".txt"):
                continue
            if path.name.lower() in _CHANGELOGS or path.name.lower() == "license.txt":
                continue
            resolved = path.resolve()
            if resolved not in documents and not plans.intersection(resolved.parents):
                yield path

    def _workflow_paths(self) -> tuple[Path, ...]:
        return (
            self._document_path,
            *workflow_paths(self.project.folder, self.project.settings),
        )

    def _problem(self, line: int, what: str, fix: str) -> Problem:
        return Problem(f"{self.project.relative(self._document_path)}:{line}", what, fix)

    def _at(self, line: int, what: str, fix: str) -> Review:
        return Review("", (self._problem(line, what, fix),))
