"""Asks published JavaScript clients the tables of tests/corpus/clients.

    python -m tests.clients.run [--against official|HOST:PORT] [--clients web,server] [--only TEXT]

`make clients`. Without `--against` the embedded Firestore is asked, and what it gives is held
against the tables. With it the same is asked of Google's emulator (`official`: firebase-tools' own
jar, started by Java 21) or of any other that listens at an address, and the differences are
printed. Exit status: 0 when the embedded Firestore gives what is expected, else 1; 2 for wrong
usage; 3 when something is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.emulators.environment import without_credentials
from harness.emulators.firestore_alone import EmbeddedFirestore
from harness.emulators.suite import EmulatorSuite, SuiteOptions
from harness.errors import ConfigError, EnvironmentLacking, HarnessError
from tests.clients.judge import (
    CaseKey,
    Outcomes,
    compare,
    judge,
    planned_cases,
    read_outcomes,
    render,
    render_differences,
)
from tests.clients.tables import (
    CLIENTS_FILE,
    Case,
    Client,
    LeftOut,
    Table,
    divide,
    read_clients,
    read_tables,
)

SUITES = Path(__file__).parents[1] / "javascript"
PROJECT_ID = "demo-clients"
_MAIN = SUITES / "clients" / "main.mjs"
_SAID_LINES = 10
_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of whom."""

    clients: tuple[Client, ...]
    cases: dict[CaseKey, Case]
    left_out: tuple[LeftOut, ...]
    content: list[dict[str, object]]

    @property
    def titles(self) -> dict[str, str]:
        return {client.name: client.title for client in self.clients}


def make_plan(
    tables: Sequence[Table], clients: Sequence[Client], chosen: Sequence[str], only: str = ""
) -> Plan:
    """Divide the tables' cases among the chosen clients.

    Args:
        chosen: Names of clients; empty: all that can run here.
        only: Keeps the cases whose table and name contain it.
    Raises:
        ConfigError: No such client.
    """
    names = [client.name for client in clients]
    if unknown := [name for name in chosen if name not in names]:
        raise ConfigError(f"no client {unknown[0]}", fix=f"choose among {', '.join(names)}")
    picked = tuple(c for c in clients if (c.name in chosen if chosen else _runs_here(c.name)))
    tables = [_only(table, only) for table in tables]
    plans, left_out = {}, []
    for client in picked:
        plans[client.name], missing = divide(client, tuple(tables))
        left_out += missing
    content: list[dict[str, object]] = [
        {
            "client": client.name,
            "lacks": sorted(what for what in client.lacks if re.fullmatch(r"[a-z_]+", what)),
            "tables": plans[client.name],
        }
        for client in picked
    ]
    return Plan(picked, planned_cases(tables, plans), tuple(left_out), content)


def ask(plan: Plan, host: str, limit_s: float) -> Outcomes:
    """Ask the clients on a server.

    Raises:
        EnvironmentLacking: Node, the clients' packages are missing, or the run broke off.
    """
    node = shutil.which("node")
    if node is None or not (SUITES / "node_modules" / "firebase").is_dir():
        raise EnvironmentLacking(
            "Node.js or the packages of tests/javascript are missing",
            fix="install Node.js 20 or newer, then: npm ci --prefix tests/javascript",
        )
    with TemporaryDirectory() as folder:
        planned, written = Path(folder, "plan.json"), Path(folder, "outcomes.jsonl")
        run = f"demo-{uuid.uuid4().hex[:8]}"
        planned.write_text(json.dumps({"run": run, "clients": plan.content}), encoding="utf-8")
        try:
            done = subprocess.run(
                [node, str(_MAIN), str(planned), str(written)],
                cwd=SUITES,
                env={**without_credentials(os.environ), "FIRESTORE_EMULATOR_HOST": host},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired as error:
            raise EnvironmentLacking(
                f"the clients did not end in {limit_s:g} s on {host}", fix="see what hangs: --only"
            ) from error
        if done.returncode != 0:
            said = "".join(f"\n  | {line}" for line in done.stderr.splitlines()[:_SAID_LINES])
            raise EnvironmentLacking(f"the clients broke off{said}", fix="correct what Node says")
        return read_outcomes(written.read_text(encoding="utf-8").splitlines())


@contextmanager
def embedded_firestore() -> Iterator[str]:
    """Run the embedded Firestore; gives its address."""
    with EmbeddedFirestore(PROJECT_ID) as server:
        server.wait_until_ready()
        yield str(server.endpoints.firestore)


@contextmanager
def _other(against: str) -> Iterator[str]:
    """The other implementation: Google's, or what listens at an address."""
    if against != "official":
        if not re.fullmatch(r"[\w.\[\]:-]+:\d+", against):
            raise ConfigError(
                f"--against {against} is neither `official` nor HOST:PORT",
                fix="give one of them, such as --against 127.0.0.1:8080",
            )
        host, port = against.rsplit(":", 1)
        try:
            socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
        except OSError as error:
            raise EnvironmentLacking(
                f"nothing listens at {against}: {error}", fix="start the other emulator first"
            ) from error
        yield against
        return
    with TemporaryDirectory() as folder:
        Path(folder, "firebase.json").write_text('{"emulators": {"firestore": {}}}')
        options = SuiteOptions(Path(folder), PROJECT_ID, only=("firestore",), firestore="official")
        suite = EmulatorSuite(options)
        try:
            suite.start()
            suite.wait_until_ready()
        except EnvironmentLacking as error:
            suite.stop()
            raise EnvironmentLacking(
                error.problem,
                fix=error.fix.replace("use --firestore embedded", "leave out AGAINST"),
            ) from error
        try:
            yield str(suite.endpoints.firestore)
        finally:
            suite.stop()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.clients.run")
    parser.add_argument("--against", default="", help="official, or HOST:PORT")
    parser.add_argument("--clients", default="", help="names of clients.yaml, by commas")
    parser.add_argument("--only", default="", help="cases whose table and name contain this")
    parser.add_argument("--seconds", type=float, default=300, help="the limit of one run")
    options = parser.parse_args(arguments)
    try:
        clients = read_clients(CLIENTS_FILE.read_text(encoding="utf-8"))
        chosen = [name for name in options.clients.split(",") if name]
        plan = make_plan(read_tables(), clients, chosen, options.only)
        theirs: Outcomes | None = None
        if options.against:
            # First, so that what is lacking is said at once.
            with _other(options.against) as host:
                theirs = ask(plan, host, options.seconds)
        with embedded_firestore() as host:
            ours = ask(plan, host, options.seconds)
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    verdict = judge(plan.cases, ours)
    sys.stdout.write(render(verdict, plan.left_out, plan.titles))
    if theirs is not None:
        differences = compare(plan.cases, ours, theirs)
        sys.stdout.write("\n" + render_differences(differences, options.against))
    return 1 if verdict.failures else 0


def _runs_here(client: str) -> bool:
    """Whether a client can run on this machine: Chromium comes for Linux on x86-64 only."""
    return client != "chromium" or (platform.system(), platform.machine()) == ("Linux", "x86_64")


def _only(table: Table, text: str) -> Table:
    cases = tuple(case for case in table.cases if text in f"{table.name}: {case.name}")
    return Table(table.name, table.shared, table.setting, cases)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
