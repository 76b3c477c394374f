"""Owns the suite of one run: starts as much of it as the machine can, hands it over, and ends it.

Works in a thread of its own, so that collecting checks and reading documents go on while emulators
start.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.emulators.build import FunctionsNotBuilt
from harness.emulators.diagnosis import SuiteFailed, functions_failure
from harness.emulators.firebase_config import (
    FirebaseJson,
    RuleFiles,
    choose_services,
    port_names,
    read_firebase_config,
    rewrite_config,
)
from harness.emulators.firestore_alone import EmbeddedFirestore
from harness.emulators.handover import LOG_VARIABLE, HandedSuite, Handover, reason_of
from harness.emulators.hub import SuiteEndpoints
from harness.emulators.suite import EmulatorSuite, SuiteOptions
from harness.errors import EnvironmentLacking, HarnessError

# Ending the suite has its own limits, which add up to less.
_STOP_S = 60.0
_LOG_LINES = 10_000


class SuiteOwner:
    """The suite of one run.

    Args:
        options: What to start.
        handover: Where to say what runs.
    """

    def __init__(self, options: SuiteOptions, handover: Handover) -> None:
        self.options = options
        # Why less runs than the project has; None when all of it does.
        self.failure: HarnessError | None = None
        self.handed: HandedSuite | None = None
        self._handover = handover
        self._running: EmulatorSuite | EmbeddedFirestore | None = None
        self._is_over = threading.Event()
        self._is_settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="suite-owner", daemon=True)

    def start(self) -> None:
        """Announce the suite and begin to start it."""
        self._handover.announce()
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is known what runs; False when the limit came first."""
        return self._is_settled.wait(timeout_s)

    def stop(self) -> None:
        """End the suite, whether it is ready or still starting. May be called again."""
        self._is_over.set()
        running = self._running
        if running is not None and not self._is_settled.is_set():
            running.stop()  # its start, in the thread, fails then
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            try:
                self.handed = self._start()
                self._handover.hand_over(self.handed)
            except HarnessError as error:
                self.failure = error
                self._handover.give_up(error)
            finally:
                self._is_settled.set()
            self._is_over.wait()
        finally:
            if self._running is not None:
                self._running.stop()

    def _start(self) -> HandedSuite:
        options = self.options
        if options.firestore == "attach" and "FIREBASE_EMULATOR_HUB" in os.environ:
            running = running_suite(os.environ, default_project=options.project_id)
            if running is not None:
                return running
        try:
            return self._start_suite(options, {})
        except EnvironmentLacking as error:
            if self._is_over.is_set() or options.firestore == "official":
                raise
            return self._start_firestore_alone(error)

    def _start_suite(self, options: SuiteOptions, lacking: Mapping[str, str]) -> HandedSuite:
        suite = EmulatorSuite(options)
        self._running = suite
        try:
            suite.start()
            suite.wait_until_ready()
        except SuiteFailed as error:
            is_about_functions = isinstance(error, FunctionsNotBuilt) or _is_about_functions(suite)
            if self._is_over.is_set() or "functions" in lacking or not is_about_functions:
                raise
            # What needs no functions can be checked all the same.
            options.progress(f"{error.problem}; starting again without functions")
            services = choose_services(
                read_firebase_config(options.project_dir, options.config_name), options.only
            )
            others = tuple(name for name in services if name != "functions")
            if not others:
                raise
            self.failure = error
            lacking = {"functions": reason_of(error, self.options.project_dir)}
            return self._start_suite(replace(options, only=others), lacking)
        return HandedSuite(
            suite.endpoints,
            options.firestore,
            lacking,
            suite.log_file,
            suite.storage_requests,
            suite.can_warm_up,
        )

    def _start_firestore_alone(self, error: EnvironmentLacking) -> HandedSuite:
        firebase = read_firebase_config(self.options.project_dir, self.options.config_name)
        services = choose_services(firebase, self.options.only)
        if "firestore" not in services:
            raise error
        self.failure = error
        reason = reason_of(error, self.options.project_dir)
        lacking = {name: reason for name in services if name != "firestore"}
        attached = os.environ.get("FIRESTORE_EMULATOR_HOST")
        if self.options.firestore == "attach" and attached:
            endpoints = SuiteEndpoints(self.options.project_id, firestore=attached)
            return HandedSuite(endpoints, "attach", lacking)
        if self.options.firestore != "embedded":
            raise error
        self.options.progress(f"{error.problem}; starting the embedded Firestore alone")
        files = _firestore_files(firebase, self.options)
        alone = EmbeddedFirestore(
            self.options.project_id,
            rules=files.firestore_rules,
            indexes=files.firestore_indexes,
            arguments=self.options.firestore_arguments,
        )
        self._running = alone
        alone.start()
        alone.wait_until_ready()
        return HandedSuite(alone.endpoints, "embedded", lacking)


def running_suite(environment: Mapping[str, str], *, default_project: str) -> HandedSuite | None:
    """Find a suite that runs already, from the variables that name it; None when there are none.

    Args:
        default_project: The project id where the environment gives none.
    Raises:
        EnvironmentLacking: A Hub is named and does not answer.
    """
    named = environment.get("GCLOUD_PROJECT") or environment.get("GOOGLE_CLOUD_PROJECT")
    endpoints = SuiteEndpoints.from_environment(environment, project_id=named or default_project)
    if endpoints is None:
        return None
    log = environment.get(LOG_VARIABLE)
    # What is there no more is of a suite that has ended.
    is_there = log is not None and Path(log).is_file()
    return HandedSuite(endpoints, "attach", log=Path(log) if log and is_there else None)


def _firestore_files(firebase: FirebaseJson, options: SuiteOptions) -> RuleFiles:
    """The rules and indexes that firebase.json names for Firestore, as the suite would take
    them.
    """
    numbers = dict.fromkeys(port_names(["firestore"], logging=False), 0)
    config = rewrite_config(
        firebase,
        folder=firebase.project_dir,
        services=["firestore"],
        ports=numbers,
        project_id=options.project_id,
        overrides=options.rules,
    )
    return config.files


def _is_about_functions(suite: EmulatorSuite) -> bool:
    return functions_failure("\n".join(suite.log_tail(_LOG_LINES)), ()) is not None
