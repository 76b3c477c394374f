"""Calls functions in the Functions emulator: callable, HTTP, and scheduled ones.

Every call has a time limit: the emulator never answers a request for a function whose process
does not start.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests

from harness.emulators.hub import SuiteEndpoints
from harness.emulators.loopback import Loopback, expect_ok
from harness.errors import ConfigError, HarnessError

_NAME = "Functions emulator"
_UNKNOWN_FUNCTION = re.compile(r"Function \S+ does not exist, valid functions are: (.*)", re.DOTALL)
_WATCHED_SERVICE = re.compile(r"^(?:google|providers)\b.*\b(firestore|storage|auth|database)\b")
_CALL_S = 60.0
_LIST_S = 10.0
_DEFAULT_REGION = "us-central1"
# By generation. Source: firebase-tools 15.34, gcp/cloudscheduler.ts.
_DEFAULT_TIME_ZONES = {1: "America/Los_Angeles", 2: "UTC"}
# Of HTTP statuses without an error in the body. Source: firebase-js-sdk, functions/src/error.ts:
# codeForHTTPStatus.
_CODE_OF_STATUS = {
    0: "internal",
    400: "invalid-argument",
    401: "unauthenticated",
    403: "permission-denied",
    404: "not-found",
    409: "aborted",
    429: "resource-exhausted",
    499: "cancelled",
    500: "internal",
    501: "unimplemented",
    503: "unavailable",
    504: "deadline-exceeded",
}


class FunctionsError(Exception):
    """A callable function answered with an error; what the client SDKs throw.

    Args:
        code: As in the SDKs, such as `permission-denied`.
        message: The function's own.
        details: What the function attached; None if nothing.
    Source: "Protocol specification for https.onCall", Response format of errors.
    """

    def __init__(self, code: str, message: str, details: Any = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = details


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What an HTTP function answered."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.content.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.content)


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function as the emulator has loaded it.

    Args:
        name: As exported; groups are joined with hyphens: `billing-charge`.
        kind: callable, http, scheduled, task, event, blocking.
        event_type: Of event functions.
        resource: What an event function watches, such as a topic, bucket or document pattern.
        schedule: Of scheduled functions, as written: "every day 03:00".
        time_zone: In which that counts, "Europe/Berlin"; where none is written, what is deployed.
        generation: 1 or 2.
        timeout_s: The function's own limit.
    """

    name: str
    region: str
    kind: str
    generation: int
    event_type: str | None = None
    resource: str | None = None
    schedule: str | None = None
    time_zone: str | None = None
    timeout_s: float = 60.0

    @property
    def waits_for(self) -> str | None:
        """The emulator whose events it waits for, None where that is not one of firebase.json's.
        Where it does not run, the Functions emulator ignores the function.

        Source: firebase-tools 15.34, emulator/functionsEmulatorShared.ts: getFunctionService.
        """
        match = _WATCHED_SERVICE.search(self.event_type or "")
        return match[1] if match else None

    @property
    def trigger_id(self) -> str:
        """Its name within the emulator."""
        return f"{self.region}-{self.name}"


class FunctionsEmulator:
    """The Functions emulator of a suite."""

    def __init__(self, endpoints: SuiteEndpoints) -> None:
        self.project_id = endpoints.project_id
        self._connection = Loopback(_NAME, endpoints["functions"])
        # Raised by the emulator each time it loads all functions anew.
        self._generation = 0
        # Of each function; asked for anew when a name is not among them.
        self._regions: dict[str, list[str]] = {}
        # A list, since threads may call at the same time.
        self._called: list[str] = []

    @property
    def calls(self) -> Counter[str]:
        """How often each function was called through this object, scheduled runs and published
        messages included.
        """
        return Counter(self._called)

    def deployed(self, timeout_s: float = _LIST_S) -> list[DeployedFunction]:
        """List the functions that are loaded, in the order of the source.

        Raises:
            EnvironmentLacking: No answer within the limit.
        Source: observed: firebase-tools 15.34, GET /backends.
        """
        answer = expect_ok(_NAME, self._connection.request("GET", "/backends", timeout_s=timeout_s))
        return functions_from_backends(answer)

    def warm_up(self, *, at_once: int = 2, timeout_s: float = _CALL_S) -> list[str]:
        """Start the processes of callable functions before they are called; return their names.

        The emulator runs each function in a process of its own, and the first call waits most of a
        second for it. No code of the function runs beyond what runs when it is loaded: what is sent
        is a browser's preflight request, which the SDK answers.

        Args:
            at_once: How many start at the same time.
        Raises:
            EnvironmentLacking: One does not start within the limit.
        Source: Fetch standard, CORS-preflight fetch; observed: firebase-functions 6.6, onCall.
        """
        functions = [function for function in self.deployed() if function.kind == "callable"]

        def start(function: DeployedFunction) -> str:
            self._connection.request(
                "OPTIONS",
                self._path(function.name, function.region),
                headers={"Origin": "http://localhost", "Access-Control-Request-Method": "POST"},
                timeout_s=timeout_s,
            )
            return function.name

        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(start, functions))

    def call(
        self,
        name: str,
        data: Any = None,
        *,
        token: str | None = None,
        region: str | None = None,
        app_check_token: str | None = None,
        timeout_s: float = _CALL_S,
    ) -> Any:
        """Call a callable function and return its result.

        Args:
            name: As exported; `group.name` is the same as `group-name`.
            data: JSON.
            region: By default the one that it is deployed to.
            token: The caller's ID token; None: not signed in.
        Raises:
            FunctionsError: The function answered with an error.
            ConfigError: There is no such function. A client would see `not-found`, and a check that
                expects that would pass for the wrong reason.
            EnvironmentLacking: No answer within the limit.
        Source: "Protocol specification for https.onCall".
        """
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if app_check_token is not None:
            headers["X-Firebase-AppCheck"] = app_check_token
        self._count(name)
        response = self._connection.request(
            "POST",
            self._path(name, region),
            headers=headers,
            data=json.dumps({"data": data}).encode(),
            timeout_s=timeout_s,
        )
        _refuse_unknown(name, response)
        return result_of_call(response.status_code, response.content)

    def request(
        self,
        name: str,
        path: str = "",
        *,
        method: str = "GET",
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | None = None,
        region: str | None = None,
        timeout_s: float = _CALL_S,
    ) -> HttpAnswer:
        """Send a request to an HTTP function; any status is an answer.

        Args:
            path: Below the function's own, such as `/items/1`.
            token: Sent as a bearer token.
        Raises:
            ConfigError: There is no such function.
            EnvironmentLacking: No answer within the limit.
        """
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        self._count(name)
        response = self._connection.request(
            method,
            self._path(name, region) + path,
            headers=sent,
            params=params,
            json=json,
            data=data,
            timeout_s=timeout_s,
        )
        _refuse_unknown(name, response)
        return HttpAnswer(response.status_code, dict(response.headers), response.content)

    def run_scheduled(
        self,
        name: str,
        *,
        schedule_time: str,
        region: str | None = None,
        timeout_s: float = _CALL_S,
    ) -> None:
        """Run a scheduled function once, as Cloud Scheduler would.

        The Functions emulator loads scheduled functions and calls them never: Pub/Sub would, and
        for second-generation functions not even that.

        Args:
            schedule_time: RFC 3339, such as `2026-01-02T03:00:00Z`; when the job was due.
        Raises:
            ConfigError: No scheduled function of that name is loaded.
            FunctionsError: It failed.
        Source: Cloud Scheduler, HTTP headers; firebase-tools 15.34, emulator/pubsubEmulator:
            createLegacyEventRequestBody; firebase-functions, v2 scheduler.
        """
        function = self._find(name, region, "scheduled")
        topic = f"firebase-schedule-{function.name}"
        if function.generation == 2:
            headers = {
                "Content-Type": "application/json",
                "User-Agent": "Google-Cloud-Scheduler",
                "X-CloudScheduler": "true",
                "X-CloudScheduler-JobName": f"{topic}-{function.region}",
                "X-CloudScheduler-ScheduleTime": schedule_time,
            }
            self._trigger(function, headers, {}, timeout_s)
        else:
            body = _legacy_message(
                self.project_id, topic, data="", attributes={"scheduled": "true"}, at=schedule_time
            )
            self._trigger(function, {"Content-Type": "application/json"}, body, timeout_s)

    def publish(
        self,
        name: str,
        *,
        data_base64: str,
        publish_time: str,
        attributes: Mapping[str, str] | None = None,
        region: str | None = None,
        timeout_s: float = _CALL_S,
    ) -> None:
        """Hand one Pub/Sub message to a function, as the Pub/Sub emulator would.

        Args:
            data_base64: The message's data, base64.
            publish_time: RFC 3339.
        Raises:
            ConfigError: No function of that name waits for messages.
            FunctionsError: It failed.
        Source: firebase-tools 15.34, emulator/pubsubEmulator.
        """
        function = self._find(name, region, "event")
        if "pubsub" not in (function.event_type or ""):
            raise ConfigError(
                f"the function {name} waits for {function.event_type}, not for Pub/Sub messages",
                fix="name a function with onMessagePublished or pubsub.topic().onPublish()",
            )
        topic = (function.resource or "").rsplit("/", 1)[-1]
        project = f"projects/{self.project_id}"
        if function.generation == 2:
            message_id = uuid.uuid4().hex
            body = {
                "specversion": "1.0",
                "id": str(uuid.uuid4()),
                "time": publish_time,
                "type": "google.cloud.pubsub.topic.v1.messagePublished",
                "source": f"//pubsub.googleapis.com/{project}/topics/{topic}",
                "data": {
                    "message": {
                        "messageId": message_id,
                        "message_id": message_id,
                        "publishTime": publish_time,
                        "publish_time": publish_time,
                        "attributes": dict(attributes or {}),
                        "data": data_base64,
                    },
                    "subscription": f"{project}/subscriptions/emulator-sub-{topic}",
                },
            }
            content_type = "application/cloudevents+json; charset=UTF-8"
        else:
            body = _legacy_message(
                self.project_id, topic, data=data_base64, attributes=attributes, at=publish_time
            )
            content_type = "application/json"
        self._trigger(function, {"Content-Type": content_type}, body, timeout_s)

    def _count(self, name: str) -> None:
        self._called.append(name.replace(".", "-"))

    def _trigger(
        self,
        function: DeployedFunction,
        headers: Mapping[str, str],
        body: Mapping[str, Any],
        timeout_s: float,
    ) -> None:
        self._count(function.name)
        response = self._post_trigger(function, headers, body, timeout_s)
        if response.status_code in (204, 404):
            # Not there, or disabled: the functions may have been loaded anew since.
            newest = self._newest_generation(function)
            if newest != self._generation:
                self._generation = newest
                response = self._post_trigger(function, headers, body, timeout_s)
        if response.status_code == 204:
            raise HarnessError(
                f"the function {function.name} was not run: background triggers are disabled",
                fix="enable them first (Hub.enable_background_triggers)",
            )
        if not response.ok:
            raise FunctionsError(
                _CODE_OF_STATUS.get(response.status_code, "unknown"),
                response.text.strip() or f"the function failed with {response.status_code}",
            )

    def _newest_generation(self, function: DeployedFunction) -> int:
        # The emulator says nowhere which it is; but asked for a function that does not exist, it
        # names the keys that do: "..., valid functions are: us-central1-a-0, us-central1-a-1".
        answer = self._connection.request(
            "POST",
            f"/functions/projects/{self.project_id}/triggers/{function.trigger_id}-none",
            data=b"{}",
            timeout_s=_LIST_S,
        )
        return _generation_in(answer.text, function.trigger_id, self._generation)

    def _post_trigger(
        self,
        function: DeployedFunction,
        headers: Mapping[str, str],
        body: Mapping[str, Any],
        timeout_s: float,
    ) -> requests.Response:
        key = f"{function.trigger_id}-{self._generation}"
        return self._connection.request(
            "POST",
            f"/functions/projects/{self.project_id}/triggers/{key}",
            headers=headers,
            data=json.dumps(body).encode(),
            timeout_s=timeout_s,
        )

    def _find(self, name: str, region: str | None, kind: str) -> DeployedFunction:
        wanted = name.replace(".", "-")
        functions = self.deployed()
        found = [
            function
            for function in functions
            if function.name == wanted and (region is None or function.region == region)
        ]
        if found and found[0].kind == kind:
            return found[0]
        others = sorted(function.name for function in functions if function.kind == kind)
        what = f"it is {found[0].kind}" if found else "no function of that name is loaded"
        raise ConfigError(
            f'"{name}" is not a function of the kind {kind}: {what}',
            fix=f"choose from: {', '.join(others) or 'none are loaded'}",
        )

    def _path(self, name: str, region: str | None) -> str:
        wanted = name.replace(".", "-")
        return f"/{self.project_id}/{region or self._region_of(wanted)}/{wanted}"

    def _region_of(self, name: str) -> str:
        if name not in self._regions:
            self._regions = {}
            for function in self.deployed():
                self._regions.setdefault(function.name, []).append(function.region)
        regions = self._regions.get(name)
        if not regions:
            raise ConfigError(
                f'the function "{name}" is not loaded in the {_NAME}',
                fix=f"choose from: {', '.join(self._regions) or 'none are loaded'}",
            )
        if len(regions) > 1:
            raise ConfigError(
                f'the function "{name}" is deployed to several regions',
                fix=f"name one of them: {', '.join(regions)}",
            )
        return regions[0]


def result_of_call(status: int, content: bytes) -> Any:
    """Read a callable function's answer.

    Raises:
        FunctionsError: It is an error, or not in the callable protocol's form.
    """
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        error = body["error"]
        code = str(error.get("status", "")).lower().replace("_", "-")
        if not code or code == "ok":
            code = _CODE_OF_STATUS.get(status, "unknown")
        raise FunctionsError(code, str(error.get("message", code)), error.get("details"))
    if 200 <= status < 300 and isinstance(body, dict):
        if "result" in body:
            return body["result"]
        if "data" in body:
            return body["data"]
        raise FunctionsError("internal", "Response is missing data field.")
    code = _CODE_OF_STATUS.get(status, "unknown")
    raise FunctionsError(code, content.decode("utf-8", errors="replace").strip()[:500] or code)


def functions_from_backends(answer: Any) -> list[DeployedFunction]:
    """Read the emulator's list: `{"backends": [{"functionTriggers": [{"name": ...}]}]}`."""
    # After functions were loaded anew the list has each event function once for every load.
    found: dict[str, DeployedFunction] = {}
    for backend in answer.get("backends", []) if isinstance(answer, dict) else ():
        for trigger in backend.get("functionTriggers") or ():
            function = _function(trigger)
            found[function.trigger_id] = function
    return list(found.values())


def _function(trigger: Mapping[str, Any]) -> DeployedFunction:
    event = trigger.get("eventTrigger") or {}
    schedule = trigger.get("schedule") or {}
    labels = trigger.get("labels") or {}
    if schedule:
        kind = "scheduled"
    elif event:
        kind = "event"
    elif trigger.get("taskQueueTrigger") is not None:
        kind = "task"
    elif trigger.get("blockingTrigger") is not None:
        kind = "blocking"
    elif labels.get("deployment-callable") == "true":
        kind = "callable"
    else:
        kind = "http"
    patterns = event.get("eventFilterPathPatterns") or {}
    filters = event.get("eventFilters") or {}
    generation = 1 if trigger.get("platform") == "gcfv1" else 2
    resource = event.get("resource") or patterns.get("document") or filters.get("document")
    return DeployedFunction(
        name=str(trigger["name"]),
        region=str(trigger.get("region", _DEFAULT_REGION)),
        kind=kind,
        generation=generation,
        event_type=event.get("eventType") if kind == "event" else None,
        resource=resource or None,
        schedule=schedule.get("schedule"),
        time_zone=(schedule.get("timeZone") or _DEFAULT_TIME_ZONES[generation])
        if schedule
        else None,
        timeout_s=float(trigger.get("timeoutSeconds") or 60),
    )


def _refuse_unknown(name: str, response: requests.Response) -> None:
    """Tell the emulator's own 404 from a function's."""
    match = _UNKNOWN_FUNCTION.match(response.text) if response.status_code == 404 else None
    if match:
        raise ConfigError(
            f'the function "{name}" is not loaded in the {_NAME}',
            fix=f"choose from: {match.group(1) or 'none are loaded'}",
        )


def _legacy_message(
    project_id: str, topic: str, *, data: str, attributes: Mapping[str, str] | None, at: str
) -> dict[str, Any]:
    return {
        "context": {
            "eventId": str(uuid.uuid4()),
            "resource": {
                "service": "pubsub.googleapis.com",
                "name": f"projects/{project_id}/topics/{topic}",
            },
            "eventType": "google.pubsub.topic.publish",
            "timestamp": at,
        },
        "data": {"data": data, "attributes": dict(attributes or {})},
    }


def _generation_in(message: str, trigger_id: str, otherwise: int) -> int:
    keys = message.rpartition(":")[2].split(",")
    numbers = [
        int(key.strip()[len(trigger_id) + 1 :])
        for key in keys
        if key.strip().startswith(f"{trigger_id}-") and key.strip()[len(trigger_id) + 1 :].isdigit()
    ]
    return max(numbers, default=otherwise)
