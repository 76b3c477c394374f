"""Control routes: those of the official emulator, and the harness's own below `/harness/v1/`.

No Authorization is asked for; the server listens on loopback. Bodies are read whatever their
content type.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from harness.backend.auth import ADMIN
from harness.backend.events import Trigger, TriggerError, background_trigger, eventarc_trigger
from harness.backend.query_uses import DatabaseUse, merged_uses
from harness.backend.recording import Recording
from harness.backend.service import DatabaseService
from harness.errors import HarnessError, StatusCode, StatusError
from harness.firestore.exports.log_format import ExportError
from harness.firestore.index_definitions import (
    IndexDefinitions,
    index_to_json,
    override_to_json,
    parse_index_file,
)
from harness.firestore.paths import DatabaseName, parse_database_name, parse_resource_name
from harness.firestore.values import Timestamp
from harness.rules.coverage import RulesetCoverage, merged_counts
from harness.rules.coverage_report import official_report
from harness.rules.issues import Issue
from harness.rules.ruleset import load_ruleset
from harness.server.controls import ControlApi, Route
from harness.server.dispatch import EventDispatcher
from harness.server.exports import DEFAULT_NAME, exported_with, read_export, write_export
from harness.server.function_manifests import functions_that_retry
from harness.server.http import HttpRequest, HttpResponse
from harness.server.rest import invalid_payload, parse_json_object
from harness.server.rest import json_response as _json
from harness.server.seeding import SeedApi
from harness.server.shell import Shell
from harness.source import SourceText

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_JSON_LINES = "application/jsonl; charset=utf-8"
_EMPTY = HttpResponse(200, b"{\n}\n", _JSON)
_DEFAULT_RULES_NAME = "firestore.rules"
_DRAIN_TIMEOUT_S = 30.0
_MAX_DRAIN_TIMEOUT_S = 600.0
_SHOWN_EVENTS = 20

FEATURES = (
    "index-enforcement",
    "query-explain",
    "metering",
    "rules",
    "function-triggers",
    "listen",
    "write-stream",
    "web-channel",
    "export",
    "rest",
    "recording",
    "rules-coverage",
    "faults",
    "clock",
    "snapshots",
    "event-retries",
    "seeds",
    "queries",
)
"""What a client may rely on; `GET /harness/v1/info` prints them."""


@dataclass(slots=True)
class AdminApi:
    """Answers the control routes.

    Args:
        shut_down: Ends the process, after the answer has been sent.
        function_manifests: The folder in which the functions SDK's manifests are; None: unknown.
    """

    shell: Shell
    dispatcher: EventDispatcher
    shut_down: Callable[[], None]
    function_manifests: Path | None = None
    _routes: list[tuple[str, re.Pattern[str], Route]] = field(init=False)

    def __post_init__(self) -> None:
        project = r"/emulator/v1/projects/(?P<project>[^/:]+)"
        own = r"/harness/v1"
        database = own + r"/projects/(?P<project>[^/]+)/databases/(?P<database>[^/]+)"
        table: list[tuple[str, str, Route]] = [
            ("GET", r"/", lambda request, match: HttpResponse(200, b"Ok\n", _TEXT)),
            ("POST", r"/reset", self._reset),
            ("POST", r"/shutdown", self._shut_down),
            ("DELETE", project + r"/databases/(?P<database>[^/]+)/documents", self._clear),
            (
                "DELETE",
                project + r"/databases/(?P<database>[^/]+)/documents/(?P<path>.+)",
                self._delete_tree,
            ),
            ("PUT", project + r":securityRules", self._put_rules),
            ("GET", project + r":ruleCoverage", self._coverage),
            ("GET", project + r":ruleCoverage\.html", self._coverage_page),
            ("PUT", project + r"/triggers/(?P<key>[^/]+)", self._put_trigger),
            ("DELETE", project + r"/triggers/(?P<key>[^/]+)", self._delete_trigger),
            ("POST", project + r"/eventarcTrigger", self._post_eventarc_trigger),
            ("DELETE", project + r"/eventarcTrigger", self._delete_eventarc_trigger),
            ("POST", project + r":(?P<verb>export|import)", self._export),
            ("GET", own + r"/info", self._info),
            ("GET", database + r"/requests", self._requests),
            ("GET", database + r"/cost", self._cost),
            ("GET", own + r"(?:/projects/(?P<project>[^/]+))?/indexes", self._get_indexes),
            ("PUT", own + r"(?:/projects/(?P<project>[^/]+))?/indexes", self._put_indexes),
            ("POST", own + r"/events:drain", self._drain),
            (
                "POST",
                own + r"/projects/(?P<project>[^/]+)/events:(?P<verb>mute|unmute)",
                self._mute,
            ),
            ("POST", own + r"/events:redeliver", self._redeliver),
            ("GET", own + r"/rules:coverage", self._all_coverage),
            ("GET", own + r"/queries", self._queries),
            ("POST", own + r"/queries:forget", self._forget_queries),
            (
                "POST",
                own + r"/projects/(?P<project>[^/]+)/recording:(?P<verb>start|take|stop)",
                self._record,
            ),
            (
                "GET",
                own + r"/projects/(?P<project>[^/]+)/rulesets/(?P<digest>[0-9a-f]+)",
                self._get_ruleset,
            ),
            *ControlApi(self.shell, self.dispatcher).routes(),
            *SeedApi(self.shell, self.dispatcher).routes(),
        ]
        self._routes = [(method, re.compile(pattern), route) for method, pattern, route in table]

    async def handle(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a request; None if there is no such route.

        Raises:
            StatusError: What went wrong, for the client.
        """
        for method, pattern, route in self._routes:
            if method != request.method:
                continue
            match = pattern.fullmatch(request.path)
            if match is not None:
                answer = route(request, match)
                if not isinstance(answer, HttpResponse):
                    answer = await answer
                assert isinstance(answer, HttpResponse)
                return answer
        return None

    # --- the official emulator's ------------------------------------------------------------------

    def _reset(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        for service in self.shell.backend.databases.values():
            self._empty(service)
            with self.dispatcher.muting(service.name.project):
                self.shell.seed.sow(service, self._now(service))
        return HttpResponse(200, b"Resetting...\n", _TEXT)

    def _shut_down(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        self.shut_down()
        return HttpResponse(200, b"Shutting down...\n", _TEXT)

    def _clear(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        service = self._database(match)
        with self._functions_as_asked(request, service):
            self._empty(service)
        return _EMPTY

    def _empty(self, service: DatabaseService) -> None:
        service.transactions.finish_all()
        service.store.clear(self._now(service))

    def _delete_tree(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        service = self._database(match)
        segments = "/".join(map(unquote, match["path"].split("/")))
        _, path = parse_resource_name(f"{service.name}/documents/{segments}")
        with self._functions_as_asked(request, service):
            service.store.delete_tree(path, self._now(service))
        return _EMPTY

    @contextmanager
    def _functions_as_asked(self, request: HttpRequest, service: DatabaseService) -> Iterator[None]:
        """Let functions hear of the block's deletions unless the request says `functions=off`.

        Ours: the official emulator knows no such parameter and calls onDelete functions. Between
        checks those would work on the next check's documents. Afterwards functions hear of the
        project again, also where a check that was killed had muted it.
        """
        self.shell.acting = ADMIN
        if request.query_values("functions") != ["off"]:
            yield
            return
        self.dispatcher.muted.discard(service.name.project)
        with self.dispatcher.muting(service.name.project):
            yield

    def _put_rules(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        content = parse_json_object(request.body)
        rules = content.get("rules")
        files = rules.get("files") if isinstance(rules, dict) else None
        if not isinstance(files, list) or len(files) != 1 or not isinstance(files[0], dict):
            raise invalid_payload()
        name, text = files[0].get("name") or _DEFAULT_RULES_NAME, files[0].get("content")
        if not isinstance(name, str) or not isinstance(text, str):
            raise invalid_payload()
        loaded = load_ruleset(SourceText(name, text))
        if loaded.ruleset is None:
            if not content.get("ignore_errors"):
                problems = "\n".join(
                    f"L{issue.position.line}:{issue.position.column} {issue.description}"
                    for issue in loaded.issues
                    if issue.severity.value == "ERROR"
                )
                raise StatusError(
                    StatusCode.INVALID_ARGUMENT, f"Error compiling rules:\n{problems}"
                )
        else:
            project = unquote(match["project"])
            self.shell.backend.set_rules(project, loaded.ruleset)
            for listener in tuple(self.shell.rules_listeners):
                listener(project)
        issues = [_issue_json(issue) for issue in loaded.issues]
        return _json({"issues": issues}) if issues else HttpResponse(200, b"{}", _JSON)

    def _coverage(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        coverage = self._coverage_of(match)
        if coverage is None:
            return _json({"rules": {"files": []}})
        return _json(official_report(coverage.layout, coverage.counts()))

    def _coverage_page(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        coverage = self._coverage_of(match)
        if coverage is None:
            project = unquote(match["project"])
            raise StatusError(
                StatusCode.NOT_FOUND, f"no security rules are loaded for project {project}"
            )
        # Not needed to start, and only here.
        from harness.reports.rules_coverage_html import coverage_page

        page = coverage_page(coverage.layout, coverage.counts())
        return HttpResponse(200, page.encode("utf-8", "replace"), _HTML)

    def _coverage_of(self, match: re.Match[str]) -> RulesetCoverage | None:
        """Return the count of the rules that a project has now."""
        project = self.shell.backend.project(unquote(match["project"]))
        return None if project.ruleset is None else project.coverage.of(project.ruleset)

    def _put_trigger(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        try:
            trigger = background_trigger(unquote(match["key"]), _doubly_decoded(request.body))
        except TriggerError as error:
            raise StatusError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        self._add_trigger(trigger)
        return _EMPTY

    def _add_trigger(self, trigger: Trigger) -> None:
        manifests = self.function_manifests
        asks = manifests is not None and trigger.function in functions_that_retry(manifests)
        self.shell.triggers.add(replace(trigger, retries=asks))

    def _delete_trigger(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        self.shell.triggers.remove(unquote(match["project"]), unquote(match["key"]))
        return _EMPTY

    def _post_eventarc_trigger(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        try:
            trigger = eventarc_trigger(
                _eventarc_key(request), unquote(match["project"]), _doubly_decoded(request.body)
            )
        except TriggerError as error:
            raise StatusError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        self._add_trigger(trigger)
        return _EMPTY

    def _delete_eventarc_trigger(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        self.shell.triggers.remove(unquote(match["project"]), _eventarc_key(request))
        return _EMPTY

    def _export(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Write or read an export. Neither is an event: functions hear nothing of an import.

        Source: firebase-tools 15.34, emulator/hubExport.ts; observed: emulator 1.22.0.
        """
        if "origin" in request.headers:
            # A page in a browser must not read or write files here.
            raise StatusError(StatusCode.PERMISSION_DENIED, "Pages cannot export or import data.")
        content = parse_json_object(request.body)
        project = unquote(match["project"])
        name = content.get("database", f"projects/{project}/databases/(default)")
        directory = content.get("export_directory")
        now = self.shell.clock.now(project)
        default_name = f"{DEFAULT_NAME}_{now.micros // 1_000_000}"
        export_name = content.get("export_name", default_name)
        if not (
            isinstance(name, str) and isinstance(directory, str) and isinstance(export_name, str)
        ):
            raise invalid_payload()
        service = self.shell.database(parse_database_name(name))
        if match["verb"] == "export":
            services = exported_with(self.shell.backend, service.name)
            write_export(services, Path(directory), export_name, now, self._now(service))
            return _EMPTY
        try:
            seed = read_export(Path(directory))
        except ExportError as error:
            raise StatusError(StatusCode.FAILED_PRECONDITION, str(error)) from error
        with self.dispatcher.muting(service.name.project):
            seed.sow(service, now)
        return _EMPTY

    # --- the harness's own ------------------------------------------------------------------------

    def _info(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        counts = self.dispatcher.counts
        return _json(
            {
                "version": package_version(),
                "pid": os.getpid(),
                "features": list(FEATURES),
                "profile": self.shell.backend.profile.name,
                "enforceIndexes": self.shell.backend.enforce_indexes,
                "databases": [str(name) for name in self.shell.backend.databases],
                "triggers": [
                    {
                        "key": trigger.key,
                        "project": trigger.project,
                        "database": trigger.database,
                        "eventType": trigger.event_type,
                        "document": trigger.pattern,
                        "retries": trigger.retries,
                    }
                    for trigger in self.shell.triggers.all()
                ],
                "events": {
                    "dispatched": counts.dispatched,
                    "delivered": counts.delivered,
                    "failed": counts.failed,
                    "disabled": counts.disabled,
                    "retried": counts.retried,
                    "alarms": counts.alarms,
                    "runs": dict(counts.runs),
                },
            }
        )

    def _requests(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        service = self._database(match)
        log, definitions = service.log, service.engine.definitions
        since = _since(request)
        return _json(
            {
                "lastSequence": log.last_sequence,
                "truncated": not log.reaches(since),
                "requests": [record.to_json(definitions) for record in log.since(since)],
            }
        )

    def _cost(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        return _json(self._database(match).log.cost_since(_since(request)))

    def _get_indexes(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        backend = self.shell.backend
        project = match["project"]
        known = backend.projects.get(unquote(project)) if project else None
        return _json(_definitions_json(known.definitions if known else backend.definitions))

    def _put_indexes(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        try:
            definitions = parse_index_file(
                parse_json_object(request.body), "firestore.indexes.json"
            )
        except HarnessError as error:
            raise StatusError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        backend = self.shell.backend
        project = match["project"]
        if project:
            backend.set_definitions(unquote(project), definitions)
        else:
            backend.definitions = definitions
            for name in backend.projects:
                backend.set_definitions(name, definitions)
        return _json(_definitions_json(definitions))

    def _mute(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Let a project's commits set off no function, until unmuted: they set a check up."""
        project = unquote(match["project"])
        if match["verb"] == "mute":
            self.dispatcher.muted.add(project)
        else:
            self.dispatcher.muted.discard(project)
        return _json({"muted": sorted(self.dispatcher.muted)})

    async def _drain(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        values = request.query_values("timeout_s")
        try:
            timeout_s = float(values[-1]) if values else _DRAIN_TIMEOUT_S
        except ValueError as error:
            raise invalid_payload() from error
        if not 0 <= timeout_s <= _MAX_DRAIN_TIMEOUT_S:
            raise invalid_payload()
        drained = await self.dispatcher.drain(timeout_s)
        counts = self.dispatcher.counts
        return _json(
            {
                "drained": drained,
                "dispatched": counts.dispatched,
                "delivered": counts.delivered,
                "failed": counts.failed,
                "disabled": counts.disabled,
                "retried": counts.retried,
                "lastFailure": counts.last_failure,
                "open": self.dispatcher.open_events(_SHOWN_EVENTS),
                "openCount": self.dispatcher.open_count,
            }
        )

    def _redeliver(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        return _json({"redelivered": self.dispatcher.redeliver(_since(request))})

    def _record(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Begin to keep a project's requests, forgetting older ones; hand them out; or end it."""
        project = self.shell.backend.project(unquote(match["project"]))
        recording, verb = project.recording, match["verb"]
        if verb == "take":
            taken = recording.take() if recording is not None else ""
            return HttpResponse(200, taken.encode("ascii"), _JSON_LINES)
        if recording is not None:
            recording.close()
        project.recording = Recording() if verb == "start" else None
        return _EMPTY

    def _get_ruleset(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Give the text of rules that decided requests which were taken lately."""
        recording = self.shell.backend.project(unquote(match["project"])).recording
        ruleset = recording.ruleset(match["digest"]) if recording is not None else None
        if ruleset is None:
            raise StatusError(StatusCode.NOT_FOUND, f"no such ruleset: {match['digest']}")
        source = ruleset.source
        return _json({"name": source.file_name, "content": source.text})

    def _all_coverage(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Give all counts since the start: of every project, of former rules too, by text."""
        projects = self.shell.backend.projects.values()
        counts = merged_counts(each for project in projects for each in project.coverage.all())
        return _json({"rulesets": [each.to_json() for each in counts]})

    def _queries(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        """Give the queries since the start, by database id: of every project together."""
        uses: dict[str, list[DatabaseUse]] = {}
        for name, service in self.shell.backend.databases.items():
            uses.setdefault(name.database, []).append(
                service.queries.use(service.engine.definitions)
            )
        found = {database: merged_uses(each).to_json() for database, each in uses.items()}
        return _json({"databases": found})

    def _forget_queries(self, request: HttpRequest, match: re.Match[str]) -> HttpResponse:
        for service in self.shell.backend.databases.values():
            service.queries.forget()
        return _json({})

    def _now(self, service: DatabaseService) -> Timestamp:
        return self.shell.clock.now(service.name.project)

    def _database(self, match: re.Match[str]) -> DatabaseService:
        name = DatabaseName(unquote(match["project"]), unquote(match["database"]))
        return self.shell.database(name)


def package_version() -> str:
    """Return the installed package's version, `unknown` when it runs from its sources."""
    from importlib import metadata  # slow to import, and not needed to start

    try:
        return metadata.version("firebase-workflow-harness")
    except metadata.PackageNotFoundError:
        return "unknown"


def _since(request: HttpRequest) -> int:
    values = request.query_values("since")
    if not values:
        return 0
    if not values[-1].isdigit():
        raise invalid_payload()
    return int(values[-1])


def _eventarc_key(request: HttpRequest) -> str:
    keys = request.query_values("eventarcTriggerId")
    if not keys or not keys[-1]:
        raise StatusError(StatusCode.INVALID_ARGUMENT, "eventarcTriggerId is missing")
    return keys[-1]


def _doubly_decoded(body: bytes) -> Any:
    """Parse a JSON body; firebase-tools sends one that is a JSON text inside a JSON string."""
    try:
        content = json.loads(body)
        return json.loads(content) if isinstance(content, str) else content
    except (ValueError, RecursionError) as error:
        raise invalid_payload() from error


def _issue_json(issue: Issue) -> dict[str, Any]:
    return {
        "sourcePosition": {
            "fileName": issue.position.file_name,
            "line": issue.position.line,
            "column": issue.position.column,
            "currentOffset": issue.span.start,
            "endOffset": max(issue.span.start, issue.span.end - 1),
        },
        "description": issue.description,
        "severity": issue.severity.value,
    }


def _definitions_json(definitions: IndexDefinitions) -> dict[str, Any]:
    return {
        "indexes": [index_to_json(index) for index in definitions.composites],
        "fieldOverrides": [override_to_json(override) for override in definitions.overrides],
    }
