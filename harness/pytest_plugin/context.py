"""The surroundings of one check: its suite, its project id, an empty database, and clients that are
closed after it.

Checks that use no functions run in a project of their own, in which no trigger fires; workers of
xdist each have one. Checks that do use functions run in the suite's own project, one at a time over
all workers.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from harness.emulators.auth import AuthUser
from harness.emulators.handover import HandedSuite
from harness.emulators.hub import Hub, SuiteEndpoints
from harness.emulators.tokens import ADMIN_TOKEN, user_token
from harness.pytest_plugin import run_of
from harness.pytest_plugin.admin import FirestoreAdmin
from harness.pytest_plugin.calling_line import CallingLine
from harness.pytest_plugin.outcome import not_verified
from harness.pytest_plugin.suite import project_folder
from harness.pytest_plugin.xdist import shared_folder, worker_id

if TYPE_CHECKING:
    from google.cloud.firestore import Client

    from harness.emulators.functions import FunctionsEmulator
    from harness.pytest_plugin.clock import EmulatorClock
    from harness.pytest_plugin.functions_log import FunctionsLog

# The longest check that another worker may have to wait for.
_TURN_S = 600.0
_DEFAULT_DATABASE = "(default)"
_DRAIN_S = 30.0
_PROJECT_ID_LENGTH = 30


class CheckContext:
    """What the fixtures of one check share."""

    def __init__(
        self,
        suite: HandedSuite,
        project_id: str,
        clients: ExitStack,
        calling_line: Callable[[], str | None] | None = None,
    ) -> None:
        self.suite = suite
        self.project_id = project_id
        self.functions: FunctionsEmulator | None = None
        self._calling_line = calling_line
        self.is_suite_project = project_id == suite.endpoints.project_id
        self.clock: EmulatorClock | None = None
        self._clients = clients
        self._admin: Client | None = None
        self._firestore: FirestoreAdmin | None = None

    @property
    def endpoints(self) -> SuiteEndpoints:
        """Where the emulators are, with this check's project id."""
        return replace(self.suite.endpoints, project_id=self.project_id)

    def address(self, emulator: str) -> str:
        """Return where an emulator listens; the check is not verified when it does not run."""
        __tracebackhide__ = True
        address: str | None = getattr(self.suite.endpoints, emulator)
        if address is None:
            not_verified(
                self.suite.lacking.get(emulator)
                or f"the {emulator} emulator does not run: firebase.json does not configure it"
            )
        return address

    @property
    def firestore(self) -> FirestoreAdmin:
        """The Firestore emulator's control routes, for this check's project."""
        __tracebackhide__ = True
        if self._firestore is None:
            address = self.address("firestore")
            self._firestore = FirestoreAdmin(address, self.project_id, _DEFAULT_DATABASE)
        return self._firestore

    @property
    def admin_client(self) -> Client:
        """The client that bypasses rules; one for each check."""
        if self._admin is None:
            self._admin = self.client(ADMIN_TOKEN)
        return self._admin

    @property
    def invocations(self) -> Counter[str]:
        """How often each function was called by the check, or given an event, so far. Those that
        Storage and Auth events run are not among them: the official emulators deliver these.
        """
        if self.functions is None or not self.is_suite_project:
            return Counter()
        return Counter(self.functions.calls) + self.firestore.event_runs()

    def functions_log(self) -> FunctionsLog | None:
        """Return what functions print from now on, where that can be read and the functions are
        this check's.
        """
        log = self.suite.log
        if log is None or self.functions is None or not self.is_suite_project:
            return None
        from harness.pytest_plugin.functions_log import FunctionsLog

        return FunctionsLog(log)

    @contextmanager
    def without_events(self) -> Iterator[None]:
        """Let what is written within the block be no event for any function."""
        if self.suite.endpoints.functions is None or not self.is_suite_project:
            yield  # no function hears of this project anyway
        elif self.firestore.mute_events(muted=True):
            try:
                yield
            finally:
                self.firestore.mute_events(muted=False)
        else:
            with self.without_background_triggers():  # another Firestore
                yield

    @contextmanager
    def without_background_triggers(self) -> Iterator[None]:
        """Let nothing that happens within the block be an event for any function, files included.

        The Hub loads all functions anew at the end, which takes seconds.
        """
        if self.suite.endpoints.functions is None or not self.is_suite_project:
            yield
            return
        hub = Hub(self.suite.endpoints)
        hub.disable_background_triggers()
        try:
            yield
        finally:
            hub.enable_background_triggers()

    def client(self, token: str | None, database: str = _DEFAULT_DATABASE) -> Client:
        """Return a Firestore client that sends a token, or none."""
        from harness.emulators.firestore_client import firestore_client

        address = self.address("firestore")
        client: Client = firestore_client(
            address, self.project_id, database, token, calling_line=self._calling_line
        )
        self._clients.callback(_close, client)
        return client

    def reading_client(self) -> Client:
        """Return an administrator's client that can only read."""
        from harness.emulators.read_only_client import read_only_emulator_client

        address = self.address("firestore")
        client: Client = read_only_emulator_client(
            address, self.project_id, _DEFAULT_DATABASE, calling_line=self._calling_line
        )
        self._clients.callback(_close, client)
        return client

    def token(self, who: str | AuthUser | None, claims: Mapping[str, Any]) -> str | None:
        """Return the ID token of a user: a real one of the Auth emulator's, or one made here for a
        uid.
        """
        if who is None:
            return None
        if isinstance(who, AuthUser):
            if claims:
                raise TypeError(
                    "an AuthUser's token has its claims already: give them to auth_user(claims=...)"
                )
            return who.id_token
        now_s = time.time() if self.clock is None else self.clock.now().timestamp()
        return user_token(who, claims, project_id=self.project_id, now_s=int(now_s))


def _close(client: Client) -> None:
    # The library has no public way to close a client's channel; left open, each check would add
    # one.
    api = getattr(client, "_firestore_api_internal", None)
    if api is not None:
        api.transport.close()


@contextmanager
def check_context(
    config: pytest.Config, suite: HandedSuite, *, in_suite_project: bool
) -> Iterator[CheckContext]:
    """Give a check an empty database in the project that it is to run in, alone.

    Args:
        in_suite_project: Whether the check uses what lives in the suite's own project only.
    """
    suite_project = suite.endpoints.project_id
    with ExitStack() as stack:
        if in_suite_project:
            shared = shared_folder(config)
            if worker_id(config) and shared is not None:
                stack.enter_context(FileLock(shared / "suite-project.lock", timeout=_TURN_S))
            project_id = suite_project
            run = run_of(config)
            if run is not None:
                run.wait_for_functions()
        else:
            suffix = worker_id(config) or "checks"
            project_id = f"{suite_project[: _PROJECT_ID_LENGTH - len(suffix) - 1]}-{suffix}"
        calling_line = CallingLine(project_folder(config))
        context = CheckContext(suite, project_id, stack, calling_line)
        if suite.endpoints.firestore is not None:
            if in_suite_project and suite.endpoints.functions is not None:
                # Events of the check before, which would write into this one's database.
                context.firestore.settle(_DRAIN_S)
            context.firestore.begin()
        yield context
