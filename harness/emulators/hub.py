"""Where the emulators are: from the Hub or the environment, and back into an environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.emulators.loopback import Loopback, expect_ok
from harness.errors import EnvironmentLacking

_HUB_ANSWER_S = 10.0
# Triggers are loaded anew, which starts a Node process for each codebase; disabling waits for
# functions that still run.
_TRIGGERS_S = 90.0
_EXPORT_S = 120.0

_HOST_VARIABLES = {
    "hub": "FIREBASE_EMULATOR_HUB",
    "auth": "FIREBASE_AUTH_EMULATOR_HOST",
    "firestore": "FIRESTORE_EMULATOR_HOST",
    "storage": "FIREBASE_STORAGE_EMULATOR_HOST",
    # firebase-tools sets none for Functions; the client SDKs' examples use this name.
    "functions": "FUNCTIONS_EMULATOR_HOST",
    "database": "FIREBASE_DATABASE_EMULATOR_HOST",
    "pubsub": "PUBSUB_EMULATOR_HOST",
    "tasks": "CLOUD_TASKS_EMULATOR_HOST",
}
_URL_VARIABLES = {
    "storage": "STORAGE_EMULATOR_HOST",
    "eventarc": "CLOUD_EVENTARC_EMULATOR_HOST",
}


@dataclass(frozen=True, slots=True)
class SuiteEndpoints:
    """`host:port` of each emulator that runs, without a scheme; None for one that does not."""

    project_id: str
    hub: str | None = None
    auth: str | None = None
    functions: str | None = None
    firestore: str | None = None
    storage: str | None = None
    eventarc: str | None = None
    tasks: str | None = None
    database: str | None = None
    pubsub: str | None = None
    logging: str | None = None

    def __getitem__(self, name: str) -> str:
        """Return the address of an emulator that must be running.

        Raises:
            EnvironmentLacking: It is not.
        """
        address: str | None = getattr(self, name, None)
        if address is None:
            raise EnvironmentLacking(
                f"the {name} emulator does not run in this suite",
                fix=f'configure "{name}" in firebase.json and do not leave it out with --only',
            )
        return address

    def environment(self) -> dict[str, str]:
        """Return the variables by which the SDKs find the emulators.

        Source: firebase-tools 15.34, emulator/env: setEnvVarsForEmulators; emulators:exec.
        """
        variables: dict[str, str] = {}
        for name, variable in _HOST_VARIABLES.items():
            address = getattr(self, name)
            if address is not None:
                variables[variable] = address
        for name, variable in _URL_VARIABLES.items():
            address = getattr(self, name)
            if address is not None:
                variables[variable] = f"http://{address}"
        if self.firestore is not None:
            variables["FIREBASE_FIRESTORE_EMULATOR_ADDRESS"] = self.firestore
        variables["GCLOUD_PROJECT"] = self.project_id
        variables["GOOGLE_CLOUD_PROJECT"] = self.project_id
        variables["FIREBASE_CONFIG"] = json.dumps(
            {
                "projectId": self.project_id,
                "storageBucket": f"{self.project_id}.appspot.com",
                "databaseURL": f"https://{self.project_id}.firebaseio.com",
            }
        )
        return variables

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], *, project_id: str | None = None
    ) -> SuiteEndpoints | None:
        """Find a suite that runs already; None when the environment names none.

        With FIREBASE_EMULATOR_HUB the Hub is asked for the rest; without it the single emulators'
        variables count, FIRESTORE_EMULATOR_HOST foremost.

        Args:
            project_id: Of the suite, where the environment does not say it.
        Raises:
            EnvironmentLacking: The Hub that is named does not answer, or no project id is known.
        """
        named = {
            name: environment[variable]
            for name, variable in _HOST_VARIABLES.items()
            if environment.get(variable)
        }
        if "hub" not in named and "firestore" not in named:
            return None
        project = project_id or _project_id(environment)
        if project is None:
            raise EnvironmentLacking(
                f"a suite runs at {named.get('hub', named.get('firestore'))}, "
                "and its project id is not known",
                fix="set GCLOUD_PROJECT to the project id that it was started with",
            )
        if "hub" in named:
            named = {**named, **running_emulators(named["hub"])}
        return cls(project, **named)


def _project_id(environment: Mapping[str, str]) -> str | None:
    for variable in ("GCLOUD_PROJECT", "GOOGLE_CLOUD_PROJECT"):
        if environment.get(variable):
            return environment[variable]
    try:
        config = json.loads(environment.get("FIREBASE_CONFIG", ""))
    except ValueError:
        return None
    project = config.get("projectId") if isinstance(config, dict) else None
    return project if isinstance(project, str) else None


def running_emulators(hub: str) -> dict[str, str]:
    """Ask the Hub which emulators run, as `host:port` by name.

    Raises:
        EnvironmentLacking: It does not answer.
    """
    connection = Loopback("Emulator Hub", hub)
    answer = expect_ok(
        "Emulator Hub", connection.request("GET", "/emulators", timeout_s=_HUB_ANSWER_S)
    )
    return emulators_from_json(answer)


def emulators_from_json(answer: Any) -> dict[str, str]:
    """Read the Hub's answer: `{"auth": {"host": "127.0.0.1", "port": 9099, ...}, ...}`."""
    known = {field.name for field in fields(SuiteEndpoints)} - {"project_id"}
    found: dict[str, str] = {}
    for name, info in answer.items() if isinstance(answer, dict) else ():
        if name in known and isinstance(info, dict) and "port" in info:
            host = str(info.get("host", "127.0.0.1"))
            found[name] = f"[{host}]:{info['port']}" if ":" in host else f"{host}:{info['port']}"
    return found


_EXPORTED = ("auth", "firestore", "storage")


class Hub:
    """The Emulator Hub's own operations."""

    def __init__(self, endpoints: SuiteEndpoints) -> None:
        self._connection = Loopback("Emulator Hub", endpoints["hub"])

    def running(self) -> dict[str, str]:
        """Return `host:port` of each emulator that runs, by name."""
        return running_emulators(self._connection.base.removeprefix("http://"))

    def disable_background_triggers(self) -> None:
        """Stop functions from being called by events, once those that run have ended.

        HTTP and callable functions still work.

        Raises:
            EnvironmentLacking: The Functions emulator does not run, or functions do not end.
        """
        self._put("/functions/disableBackgroundTriggers")

    def enable_background_triggers(self) -> None:
        """Load all functions anew, and let events call them again.

        Raises:
            EnvironmentLacking: The Functions emulator does not run.
        """
        self._put("/functions/enableBackgroundTriggers")

    def export(self, folder: Path, emulators: Sequence[str]) -> None:
        """Write the data of emulators into a folder that `--import` takes.

        Raises:
            EnvironmentLacking: It cannot be written.
        Source: firebase-tools 15.34, emulator/hub.ts and hubExport.ts.
        """
        kept = [name for name in emulators if name in _EXPORTED]
        content = {"path": str(folder.absolute()), "targets": kept, "initiatedBy": "harness"}
        expect_ok(
            "Emulator Hub",
            self._connection.request("POST", "/_admin/export", json=content, timeout_s=_EXPORT_S),
        )

    def _put(self, path: str) -> None:
        expect_ok("Emulator Hub", self._connection.request("PUT", path, timeout_s=_TRIGGERS_S))
