"""Control routes for seed files: put one's documents into a project's databases, and write what is
there as one.

What is in a seed file is `harness/seeds/`'s.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from harness.backend.auth import ADMIN
from harness.errors import HarnessError, StatusCode, StatusError
from harness.firestore.documents import DocumentSnapshot
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.seeds.model import OWN_PROJECT, SeedFile, references_moved
from harness.seeds.reader import parse_seed
from harness.seeds.writer import seed_text
from harness.server.controls import Route
from harness.server.dispatch import EventDispatcher
from harness.server.http import HttpRequest, HttpResponse
from harness.server.rest import invalid_payload, json_response, parse_json_object
from harness.server.shell import Shell
from harness.source import SourceText

_YAML = "application/yaml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class SeedApi:
    """Answers the routes."""

    shell: Shell
    dispatcher: EventDispatcher

    def routes(self) -> list[tuple[str, str, Route]]:
        """Return every route: its method, the pattern of its path, and what answers it."""
        seed = r"/harness/v1/projects/(?P<project>[^/]+)/seed"
        return [("POST", seed, self._sow), ("GET", seed, self._write)]

    async def _sow(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Put documents in, over those of the same paths. No function hears of it, nobody pays."""
        content = parse_json_object(request.body)
        name, text = content.get("name", "seed.yaml"), content.get("text")
        if not isinstance(name, str) or not isinstance(text, str):
            raise invalid_payload()
        try:
            # Megabytes take seconds; others are served meanwhile.
            seed = await asyncio.to_thread(parse_seed, SourceText(name, text))
        except HarnessError as error:
            raise StatusError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        project = unquote(match["project"])
        self.shell.acting = ADMIN
        with self.dispatcher.muting(project):
            for database in seed.databases:
                service = self.shell.database(DatabaseName(project, database))
                documents = seed.documents(service.name)
                service.store.load(documents, self.shell.clock.now(project))
        return json_response({"documents": seed.document_count})

    async def _write(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Write all documents of a project as a seed file."""
        project = unquote(match["project"])
        databases = {
            name.database: service.store.snapshot()
            for name, service in self.shell.backend.databases.items()
            if name.project == project
        }
        text = await asyncio.to_thread(_text_of, project, databases)
        return HttpResponse(200, text.encode(), _YAML)


def _text_of(project: str, databases: Mapping[str, Mapping[ResourcePath, DocumentSnapshot]]) -> str:
    """Print databases as a seed; what refers to their own project follows the seed into others."""
    return seed_text(
        SeedFile(
            {
                database: {
                    path: references_moved(each.fields, project, OWN_PROJECT)
                    for path, each in documents.items()
                }
                for database, documents in databases.items()
            }
        )
    )
