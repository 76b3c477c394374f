"""A random program gives the same results as a dictionary: in process, and over a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from harness.backend.service import DatabaseService
from harness.emulators.firestore_client import firestore_client
from harness.firestore.exports.archive import OVERALL_SUFFIX, export_files, import_documents
from harness.firestore.paths import DatabaseName
from harness.firestore.values import Timestamp
from harness.server.options import ServerOptions
from tests.model.in_process import InProcessClient
from tests.model.model import Query, exactly, run
from tests.model.programs import Runner, client_query, programs
from tests.server.running import ServerUnderTest, new_project_id, running_server

NAME = DatabaseName("demo-model")


class InProcess(Runner):
    def __init__(self) -> None:
        super().__init__(InProcessClient())

    @property
    def service(self) -> DatabaseService:
        found: DatabaseService = self.db.shell.database(NAME)
        return found

    def now(self) -> Timestamp:
        now: Timestamp = self.db.shell.clock.now(NAME.project)
        return now

    def keep(self) -> None:
        self.image = self.service.store.snapshot()

    def bring_back(self) -> None:
        self.service.store.restore(self.image, self.now())

    def export_and_import(self) -> None:
        documents = self.service.store.snapshot().values()
        files = export_files("e", {NAME: documents}, self.now(), self.now())
        self.service.store.clear(self.now())
        found = import_documents(files.__getitem__, f"e{OVERALL_SUFFIX}")
        self.service.store.load({path: fields for _, path, fields in found}, self.now())


@given(programs)
def test_a_program_gives_the_same_results_as_a_dictionary(program: list[Any]) -> None:
    InProcess().perform(program)


# --- over a socket --------------------------------------------------------------------------------

LIMIT_S = 30.0


class OverASocket(Runner):
    """The published client, with the control routes for what it has no call for."""

    def __init__(self, server: ServerUnderTest, project: str, folder: Path) -> None:
        super().__init__(firestore_client(server.host, project))
        self.server, self.folder = server, folder
        self._database = f"projects/{project}/databases/(default)"
        self._emulator = f"/emulator/v1/projects/{project}"
        self._heard: list[Any] = []
        self._news = threading.Condition()
        self._watched = Query(orders=(("n", True),), limit=3)
        self._watch = client_query(self.db, self._watched).on_snapshot(self._hear)
        self._states: list[Any] = [{}]

    def ask(self, method: str, path: str, **content: Any) -> None:
        answer = self.server.http(method, path, json=content)
        assert answer.status_code == 200, answer.text

    def keep(self) -> None:
        self.ask("POST", f"/harness/v1/{self._database}/snapshots/kept")

    def bring_back(self) -> None:
        self.ask("POST", f"/harness/v1/{self._database}/snapshots/kept:restore")

    def export_and_import(self) -> None:
        asked = {"database": self._database, "export_name": "e"}
        self.ask("POST", f"{self._emulator}:export", export_directory=str(self.folder), **asked)
        self.ask("DELETE", f"{self._emulator}/databases/(default)/documents")
        self._states.append({})  # what a listener may see in between
        metadata = str(self.folder / "e" / f"e{OVERALL_SUFFIX}")
        self.ask("POST", f"{self._emulator}:import", export_directory=metadata)

    def after_step(self) -> None:
        self._states.append(_seen(run(self._watched, self.model.documents)))

    def _hear(self, documents: Any, changes: Any, read_time: Any) -> None:
        with self._news:
            self._heard.append(_seen((each.reference.path, each.to_dict()) for each in documents))
            self._news.notify_all()

    def check_listener(self) -> None:
        """What it was told is a part of what there was, in order, and ends with what there is."""
        with self._news:
            assert self._news.wait_for(
                lambda: self._heard and self._heard[-1] == self._states[-1], LIMIT_S
            ), (self._heard, self._states)
            states = iter(self._states)
            for view in self._heard:
                assert any(view == state for state in states), (self._heard, self._states)

    def close(self) -> None:
        self._watch.unsubscribe()
        self.db.close()


def _seen(result: Iterable[tuple[str, Any]]) -> Any:
    """Return a result without its order: the client sorts it by itself, and always ascending."""
    return {path: exactly(fields) for path, fields in result}


@pytest.fixture(scope="module")
def without_indexes() -> Iterator[ServerUnderTest]:
    with running_server(ServerOptions(host="127.0.0.1", port=0, enforce_indexes=False)) as running:
        yield running


def test_so_it_does_over_a_socket_and_a_listener_sees_the_same(
    without_indexes: ServerUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(max_examples=settings.default.max_examples // 2, phases=[Phase.generate])  # type: ignore[attr-defined]
    @given(programs)
    def check(program: list[Any]) -> None:
        runner = OverASocket(without_indexes, new_project_id(), tmp_path_factory.mktemp("export"))
        try:
            runner.perform(program)
            runner.check_listener()
        finally:
            runner.close()

    check()
