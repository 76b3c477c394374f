"""Reviews of a workflow document: its links, and its feature against the phase file.

Must not live here: what is right or wrong (`workflow/feature.py`, `workflow/links.py`), and what is
about the project and no document (`project_readiness.py`)."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from harness.errors import WorkflowError
from harness.files import read_text_file
from harness.project import Project, load_workflow
from harness.readiness import documentation
from harness.readiness.review import Problem, Review, count, joined
from harness.source import SourceText
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

TECH_STACK_ITEM = "Documentation Review/Tech stack guidelines"


class DocumentReviews:
    """Reviews one workflow document of a project.

    Args:
        project: The project.
        document: The workflow document's path.
    """

    def __init__(self, project: Project, document: Path) -> None:
        self.project = project
        self._document_path = document

    @property
    def document(self) -> WorkflowDocument:
        """The document as it is now, named as in the project."""
        name = self.project.relative(self._document_path)
        return parse_workflow(SourceText(name, load_workflow(self._document_path).text))

    def links(self) -> Review:
        """Every link of the document leads to a file, and to a heading of it; addresses on the web
        are well-formed. None of them is fetched."""
        return self._links(links_in(self.document.text))

    def tech_stack(self, item: str = TECH_STACK_ITEM) -> Review:
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

    def _problem(self, line: int, what: str, fix: str) -> Problem:
        return Problem(f"{self.project.relative(self._document_path)}:{line}", what, fix)

    def _at(self, line: int, what: str, fix: str) -> Review:
        return Review("", (self._problem(line, what, fix),))
