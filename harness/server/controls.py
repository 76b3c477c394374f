"""Control routes for what a check does to a project: let requests fail, set its clock, delete what
has expired, keep and bring back its documents.

All are below `/harness/v1/`; no other emulator has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from harness.backend.auth import ADMIN, SYSTEM
from harness.backend.clock import parse_moment, parse_seconds
from harness.backend.faults import FaultPlan, rule_from_json
from harness.backend.service import DatabaseService
from harness.errors import StatusCode, StatusError
from harness.firestore.paths import DatabaseName
from harness.server.dispatch import EventDispatcher
from harness.server.http import HttpRequest, HttpResponse
from harness.server.rest import invalid_payload, json_response, parse_json_object
from harness.server.shell import Shell

MAX_SNAPSHOTS = 100
"""Snapshots kept for each database."""

Route = Callable[[HttpRequest, re.Match[str]], Any]


@dataclass(frozen=True, slots=True)
class ControlApi:
    """Answers the routes."""

    shell: Shell
    dispatcher: EventDispatcher

    def routes(self) -> list[tuple[str, str, Route]]:
        """Return every route: its method, the pattern of its path, and what answers it."""
        project = r"/harness/v1/projects/(?P<project>[^/]+)"
        faults = project + r"/faults"
        clock = r"/harness/v1(?:/projects/(?P<project>[^/]+))?/clock"
        database = project + r"/databases/(?P<database>[^/]+)"
        expired, snapshots = database + r"/documents:expire", database + r"/snapshots"
        return [
            ("POST", faults, self._add_fault),
            ("GET", faults, self._get_faults),
            ("DELETE", faults, self._delete_faults),
            ("DELETE", faults + r"/(?P<id>[^/]+)", self._delete_fault),
            ("GET", clock, self._get_clock),
            ("PUT", clock, self._set_clock),
            ("DELETE", clock, self._reset_clock),
            ("POST", clock + r":advance", self._advance_clock),
            ("POST", expired, self._expire_documents),
            ("GET", snapshots, self._get_snapshots),
            ("POST", snapshots + r"/(?P<name>[^/]+):restore", self._restore_snapshot),
            ("POST", snapshots + r"/(?P<name>[^/]+)", self._save_snapshot),
            ("DELETE", snapshots + r"/(?P<name>[^/]+)", self._delete_snapshot),
        ]

    # --- faults -----------------------------------------------------------------------------------

    def _add_fault(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Let requests of a project go wrong from now on, as `backend/faults.py` describes."""
        rule = rule_from_json(parse_json_object(request.body))
        plan = self.shell.faults.setdefault(unquote(match["project"]), FaultPlan())
        return json_response(plan.add(rule).to_json())

    def _get_faults(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        plan = self.shell.faults.get(unquote(match["project"]))
        return json_response({"faults": [each.to_json() for each in plan.rules] if plan else []})

    def _delete_faults(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        self.shell.faults.pop(unquote(match["project"]), None)
        return json_response({})

    def _delete_fault(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        project = unquote(match["project"])
        plan = self.shell.faults.get(project)
        if plan is None or not plan.remove(match["id"]):
            raise StatusError(StatusCode.NOT_FOUND, f"no such fault: {match['id']}")
        if not plan.rules:
            del self.shell.faults[project]
        return json_response({})

    # --- the clock --------------------------------------------------------------------------------

    def _get_clock(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        clock = self.shell.clock
        return json_response(clock.setting(_project(match)).to_json(clock.real()))

    def _set_clock(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Set a clock, to go on from there or, `frozen`, to stand, and say whether `tokensExpire`;
        what is not given stays.
        """
        content = parse_json_object(request.body)
        project, clock = _project(match), self.shell.clock
        setting, real = clock.setting(project), clock.real()
        frozen = content.get("frozen", setting.stopped_at is not None)
        expire = content.get("tokensExpire", setting.tokens_expire)
        flags = isinstance(frozen, bool) and isinstance(expire, bool)
        if not flags or not content.keys() <= {"now", "frozen", "tokensExpire"}:
            raise invalid_payload()
        setting = replace(setting, tokens_expire=expire)
        setting = setting.stopped(real) if frozen else setting.going(real)
        if "now" in content:
            setting = setting.set(parse_moment(content["now"]), real)
        self.shell.set_clock(project, setting)
        return self._get_clock(request, match)

    def _advance_clock(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        project, clock = _project(match), self.shell.clock
        micros = parse_seconds(parse_json_object(request.body).get("seconds"))
        setting = clock.setting(project).advanced(micros, clock.real())
        self.shell.set_clock(project, setting)
        return self._get_clock(request, match)

    def _reset_clock(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        self.shell.set_clock(_project(match), None)
        return self._get_clock(request, match)

    # --- what has expired -------------------------------------------------------------------------

    def _expire_documents(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Delete what has expired by the project's clock; functions and listeners hear of it."""
        service = self._database(match)
        done = self.shell.run(service, "ExpireDocuments", SYSTEM, service.expire_documents)
        return json_response({"deleted": len(done.deleted), "locked": list(done.locked)})

    # --- snapshots --------------------------------------------------------------------------------

    def _get_snapshots(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        kept = self._database(match).snapshots
        return json_response(
            {"snapshots": [{"name": name, "documents": len(kept[name])} for name in sorted(kept)]}
        )

    def _save_snapshot(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Keep all documents under a name. They are shared with the database, not copied."""
        service, name = self._database(match), unquote(match["name"])
        if name not in service.snapshots and len(service.snapshots) >= MAX_SNAPSHOTS:
            raise StatusError(
                StatusCode.RESOURCE_EXHAUSTED, f"a database has at most {MAX_SNAPSHOTS} snapshots"
            )
        kept = service.snapshots[name] = service.store.snapshot()
        return json_response({"name": name, "documents": len(kept)})

    def _restore_snapshot(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Bring back the documents of a name, and no others; no function hears of it."""
        service = self._database(match)
        documents = service.snapshots.get(unquote(match["name"]))
        if documents is None:
            raise _no_snapshot(match)
        service.transactions.finish_all()
        self.shell.acting = ADMIN
        with self.dispatcher.muting(service.name.project):
            result = service.store.restore(documents, self.shell.clock.now(service.name.project))
        return json_response({"documents": len(documents), "changed": len(result.changes)})

    def _delete_snapshot(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        if self._database(match).snapshots.pop(unquote(match["name"]), None) is None:
            raise _no_snapshot(match)
        return json_response({})

    def _database(self, match: re.Match[str]) -> DatabaseService:
        name = DatabaseName(unquote(match["project"]), unquote(match["database"]))
        return self.shell.database(name)


def _project(match: re.Match[str]) -> str | None:
    """Return the project that a route names, None where it stands for all."""
    project = match["project"]
    return unquote(project) if project else None


def _no_snapshot(match: re.Match[str]) -> StatusError:
    return StatusError(StatusCode.NOT_FOUND, f"no such snapshot: {unquote(match['name'])}")
