"""The fixtures that checks use.

pytest loads this module in every project of the environment: what a fixture needs is imported when
it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from google.cloud.firestore import Client

    from harness.config import Settings
    from harness.emulators.auth import AuthUser
    from harness.emulators.functions import FunctionsEmulator
    from harness.emulators.handover import HandedSuite
    from harness.emulators.hub import SuiteEndpoints
    from harness.emulators.storage import StorageEmulator
    from harness.flutter.contract import ClientContract
    from harness.load.result import LoadResult
    from harness.project_readiness import ProjectReadiness
    from harness.pytest_plugin.access import AskOverTheWire, CheckedMatrix, DecidedProject
    from harness.pytest_plugin.clock import EmulatorClock
    from harness.pytest_plugin.context import CheckContext
    from harness.pytest_plugin.databases import CheckDatabase
    from harness.pytest_plugin.faults import InjectFault
    from harness.pytest_plugin.functions_log import FunctionsLog
    from harness.pytest_plugin.growth import MeasuredGrowth
    from harness.pytest_plugin.meter import CostMeter
    from harness.pytest_plugin.readiness import Settle
    from harness.pytest_plugin.schedules import ScheduledFunctions
    from harness.pytest_plugin.snapshots import FirestoreSnapshots, KeptSnapshots
    from harness.rules.coverage_report import CoverageSummary
    from harness.workflow.document import WorkflowDocument


class CallFunction(Protocol):
    """How `call_function` is called."""

    def __call__(
        self,
        name: str,
        data: Any = None,
        *,
        as_: str | AuthUser | None = None,
        claims: Mapping[str, Any] | None = None,
        region: str | None = None,
        timeout_s: float = 60.0,
    ) -> Any:
        """Return a callable function's result, or raise its FunctionsError."""


class MeasureCost(Protocol):
    """How `query_cost` is called."""

    def __call__(self, name: str | None = None) -> AbstractContextManager[CostMeter]:
        """Return the block whose requests are billed."""


class MeasureCostGrowth(Protocol):
    """How `cost_growth` is called."""

    def __call__(
        self,
        name: str,
        seed: Callable[[int, int], Any],
        run: Callable[[], Any],
        sizes: Sequence[int] = ...,
    ) -> MeasuredGrowth:
        """Return how the cost of `run` grows."""


class MakeLoad(Protocol):
    """How `steady_load` is called."""

    def __call__(
        self,
        name: str,
        work: Callable[[int], Any],
        *,
        noop: Callable[[], Any] | None = None,
        per_second: float = ...,
        seconds: float = ...,
        callers: int = ...,
        warm_up: int = ...,
        timeout_s: float = ...,
        cold: float | None = None,
        p50: float | None = None,
        p95: float | None = None,
    ) -> LoadResult:
        """Return the latencies of `work` under a steady load."""


# The suite, and the check's place in it


@pytest.fixture(scope="session")
def harness_suite(pytestconfig: pytest.Config) -> Iterator[HandedSuite]:
    """The suite that this run's checks use, and what of it is lacking."""
    from harness.emulators.handover import reason_of
    from harness.errors import EnvironmentLacking, HarnessError
    from harness.pytest_plugin.outcome import not_verified
    from harness.pytest_plugin.queries import kept_queries
    from harness.pytest_plugin.rules_coverage import kept_coverage
    from harness.pytest_plugin.suite import suite_for_checks

    with suite_for_checks(pytestconfig) as found:
        suite: HandedSuite | HarnessError
        try:
            suite = found.get()
        except HarnessError as error:
            suite = error
        if isinstance(suite, EnvironmentLacking):
            not_verified(reason_of(suite, pytestconfig.rootpath))
        if isinstance(suite, HarnessError):
            pytest.fail(str(suite), pytrace=False)
        with kept_coverage(pytestconfig, suite), kept_queries(pytestconfig, suite):
            yield suite


@pytest.fixture
def harness_check(
    request: pytest.FixtureRequest, harness_suite: HandedSuite
) -> Iterator[CheckContext]:
    """What the fixtures of one check share; from here on its database is empty."""
    from harness.pytest_plugin.context import check_context
    from harness.pytest_plugin.requests import kept_requests

    in_suite_project = "harness_suite_project" in request.fixturenames
    with (
        check_context(request.config, harness_suite, in_suite_project=in_suite_project) as context,
        kept_requests(request.node, context),
    ):
        yield context


@pytest.fixture
def harness_suite_project(harness_check: CheckContext) -> CheckContext:
    """The same, for what lives in the suite's own project only: functions, their events,
    Storage.
    """
    if not harness_check.is_suite_project:
        pytest.fail(
            "this check's project was chosen before it asked for functions or Storage\n"
            "  fix: name the fixture among the check's arguments instead of getfixturevalue()",
            pytrace=False,
        )
    return harness_check


@pytest.fixture(scope="session")
def suite(harness_suite: HandedSuite) -> SuiteEndpoints:
    """Where the emulators are: `suite.firestore` is "host:port", or None where there is none."""
    return harness_suite.endpoints


@pytest.fixture
def project_id(harness_check: CheckContext) -> str:
    """The project id that this check runs in."""
    return harness_check.project_id


@pytest.fixture(scope="session")
def harness_project(pytestconfig: pytest.Config) -> Path:
    """The project's folder, which holds firebase.json."""
    from harness.pytest_plugin.suite import project_folder

    return project_folder(pytestconfig)


@pytest.fixture(scope="session")
def harness_settings(harness_project: Path) -> Settings:
    """What harness.yaml says."""
    from harness.project import load_settings

    return load_settings(harness_project)


@pytest.fixture(scope="session")
def workflow_document(pytestconfig: pytest.Config, harness_project: Path) -> WorkflowDocument:
    """The workflow document whose items the checks name, as it was when the run began; of several,
    the first.
    """
    from harness.project import load_settings, load_workflow, one_workflow_path, workflow_paths

    chosen = pytestconfig.getoption("--harness-workflow")
    settings = load_settings(harness_project)
    paths = workflow_paths(harness_project, settings, chosen)
    return load_workflow(paths[0] if paths else one_workflow_path(harness_project, settings))


@pytest.fixture(scope="session")
def client_contract(harness_project: Path, harness_settings: Settings) -> ClientContract:
    """What the Flutter app's Dart code asks of Firebase: `.queries`, `.documents`, `.callables`,
    `.objects`, and what was `.not_understood`.
    """
    from harness.errors import EnvironmentLacking, HarnessError
    from harness.flutter_project import read_client_contract
    from harness.pytest_plugin.outcome import not_verified

    try:
        return read_client_contract(harness_project, harness_settings.flutter_folder)
    except EnvironmentLacking as error:
        not_verified(f"{error.problem}; {error.fix}")
    except HarnessError as error:
        pytest.fail(str(error), pytrace=False)


# Firestore


@pytest.fixture
def firestore_admin(harness_check: CheckContext) -> Client:
    """A Firestore client that bypasses rules."""
    return harness_check.admin_client


@pytest.fixture
def firestore_reader(harness_check: CheckContext) -> Client:
    """A Firestore client that bypasses rules and can only read: with `--against PROJECT`, of that
    project.
    """
    return harness_check.reading_client()


@pytest.fixture
def firestore_as(harness_check: CheckContext) -> Callable[..., Client]:
    """A function from a uid (or AuthUser) and claims to a Firestore client that rules apply to."""

    def client_of(uid: str | AuthUser, /, **claims: Any) -> Client:
        return harness_check.client(harness_check.token(uid, claims))

    return client_of


@pytest.fixture
def firestore_unauthenticated(harness_check: CheckContext) -> Client:
    """A Firestore client of someone who is not signed in."""
    return harness_check.client(None)


@pytest.fixture
def firestore_database(harness_check: CheckContext) -> Callable[[str], CheckDatabase]:
    """A function from the id of a database to its clients: `.admin`, `.as_(uid, **claims)`,
    `.unauthenticated`. It is empty when the check begins.
    """
    from harness.pytest_plugin.databases import CheckDatabase

    return lambda database: CheckDatabase(harness_check, database)


@pytest.fixture
def seed(request: pytest.FixtureRequest, harness_check: CheckContext) -> Callable[[str], None]:
    """A function that puts what a seed file says into the databases, and its users into the Auth
    emulator: `seed("shop.yaml")`, beside the check or in the project's folder.
    """
    from harness.pytest_plugin.seeds import SeedFixture

    folders = (request.path.parent, request.config.rootpath)
    return SeedFixture(harness_check, folders, keeps_users="auth_user" in request.fixturenames).sow


@pytest.fixture
def clear_firestore(harness_check: CheckContext) -> Callable[[], None]:
    """A function that empties the database in the middle of a check; between checks that is done
    anyway.
    """
    return harness_check.firestore.clear


@pytest.fixture
def without_events(harness_check: CheckContext) -> Callable[[], AbstractContextManager[None]]:
    """A function that gives a context manager: documents written within it call no functions.

    For what must be there before a check begins.
    """
    return harness_check.without_events


@pytest.fixture
def query_cost(
    request: pytest.FixtureRequest, harness_check: CheckContext, harness_settings: Settings
) -> MeasureCost:
    """A function that gives a context manager: what the Firestore bills for the requests within
    it.

    `query_cost("open a group")` names a scenario: its cost goes into the reports, and the check
    fails when it is over the budget of that name in harness.yaml. Budgets of functions and queries
    hold in every block.
    """
    from harness.billing.scenarios import metrics_of
    from harness.pytest_plugin.costs import keep_cost
    from harness.pytest_plugin.meter import metered
    from harness.pytest_plugin.recorder import findings_of

    def keep(meter: CostMeter) -> None:
        measured = meter.scenario(request.node.nodeid)
        keep_cost(request.config, measured)
        for name, value in metrics_of(measured).items():
            findings_of(request.node).add_metric(name, value)

    return lambda name=None: metered(harness_check, name, harness_settings, keep)


@pytest.fixture
def cost_growth(
    request: pytest.FixtureRequest, harness_check: CheckContext, harness_settings: Settings
) -> MeasureCostGrowth:
    """A function that runs a scenario at several sizes of the data and says how its cost grows.

    `cost_growth("open a group", seed, run)`: `seed(start, end)` adds the documents numbered so. The
    check fails when the budget of that name in harness.yaml allows less growth.
    """
    from harness.billing.scenarios import metrics_of_growth
    from harness.pytest_plugin.costs import keep_cost
    from harness.pytest_plugin.growth import SIZES, hold_to, measure_growth
    from harness.pytest_plugin.recorder import findings_of

    def measure(
        name: str,
        seed: Callable[[int, int], Any],
        run: Callable[[], Any],
        sizes: Sequence[int] = SIZES,
    ) -> MeasuredGrowth:
        __tracebackhide__ = True
        budget = harness_settings.budgets.get(name)
        wanted = request.config.getoption("--harness-growth-name")
        if wanted and name not in wanted:
            pytest.skip(f"only the growth of {', '.join(wanted)} is asked for")
        asked = request.config.getoption("--harness-growth-sizes")
        sizes = tuple(map(int, asked.split(","))) if asked else sizes
        growth = measure_growth(harness_check, name, seed, run, sizes)
        allowed = budget.growth if budget is not None else None
        measured = growth.to_cost(request.node.nodeid, allowed)
        keep_cost(request.config, measured)
        for metric, value in metrics_of_growth(measured).items():
            findings_of(request.node).add_metric(metric, value)
        hold_to(harness_settings, growth)
        return growth

    return measure


@pytest.fixture
def steady_load(request: pytest.FixtureRequest, harness_check: CheckContext) -> MakeLoad:
    """A function that makes calls at a steady rate and says how long they take, as multiples of a
    call that does nothing: `steady_load("settle up", work, noop=nothing, p95=15)`.

    The check fails when a call fails or is not answered, and when a ratio is surely over its limit.
    With a limit for `cold`, functions are loaded anew before the first call.
    """
    from harness.load.schedule import Schedule
    from harness.pytest_plugin.growth import time_of_nothing
    from harness.pytest_plugin.load import run_load, table_of
    from harness.pytest_plugin.recorder import findings_of

    def load(
        name: str,
        work: Callable[[int], Any],
        *,
        noop: Callable[[], Any] | None = None,
        per_second: float = 10,
        seconds: float = 3,
        callers: int = 16,
        warm_up: int = 0,
        timeout_s: float = 30,
        cold: float | None = None,
        p50: float | None = None,
        p95: float | None = None,
    ) -> LoadResult:
        __tracebackhide__ = True
        wanted = {"cold": cold, "p50": p50, "p95": p95}
        limits = {key: limit for key, limit in wanted.items() if limit is not None}
        result = run_load(
            harness_check,
            name,
            work,
            noop or (lambda: time_of_nothing(harness_check)),
            Schedule(per_second, seconds),
            callers=callers,
            warm_up=warm_up,
            cold_start=cold is not None,
            timeout_s=timeout_s,
        )
        findings_of(request.node).tables.append(table_of(result, limits))
        over = result.over(limits)
        if over:
            pytest.fail("\n".join(over), pytrace=False)
        return result

    return load


@pytest.fixture
def emulator_clock(harness_check: CheckContext) -> Iterator[EmulatorClock]:
    """The Firestore's time: `.freeze(at)`, `.set(at)`, `.advance(seconds)`, `.resume()`, `.now()`.

    Afterwards it is the real one again.
    """
    from harness.pytest_plugin.clock import controlled_clock

    with controlled_clock(harness_check.firestore) as clock:
        harness_check.clock = clock
        yield clock


@pytest.fixture
def expire_documents(harness_check: CheckContext) -> Callable[[], int]:
    """A function that deletes the documents which have expired by a TTL policy of
    firestore.indexes.json, at the time of `emulator_clock`, and returns how many.

    Functions and listeners hear of it. A document that a transaction has locked is left.
    """
    return harness_check.firestore.expire_documents


@pytest.fixture(scope="session")
def harness_snapshots(harness_suite: HandedSuite) -> Iterator[KeptSnapshots]:
    """What this run's checks have taken snapshots of."""
    from harness.pytest_plugin.snapshots import KeptSnapshots

    kept = KeptSnapshots()
    yield kept
    kept.forget()


@pytest.fixture
def firestore_snapshot(
    harness_check: CheckContext, harness_snapshots: KeptSnapshots
) -> FirestoreSnapshots:
    """Named snapshots of the database: `.once(name, fill)` writes the first time and brings back
    afterwards; `.save(name)`, `.restore(name)`.
    """
    from harness.pytest_plugin.snapshots import FirestoreSnapshots

    return FirestoreSnapshots(
        harness_check.firestore,
        harness_check.project_id,
        harness_snapshots,
        harness_check.without_events,
    )


@pytest.fixture
def inject_fault(
    request: pytest.FixtureRequest, harness_check: CheckContext
) -> Iterator[InjectFault]:
    """A function that lets requests go wrong: `inject_fault("Commit", "ABORTED", times=2)`.

    Faults end with the check, which fails if one of them has met no request.
    """
    from harness.pytest_plugin.faults import fault_injector
    from harness.pytest_plugin.recorder import findings_of

    with fault_injector(harness_check.firestore, findings_of(request.node)) as inject:
        yield inject


# Auth


@pytest.fixture
def auth_user(harness_check: CheckContext) -> Callable[..., AuthUser]:
    """A function that creates a user in the Auth emulator and signs in as that user."""
    from harness.emulators.auth import AuthEmulator

    harness_check.address("auth")
    auth = AuthEmulator(harness_check.endpoints)
    auth.clear()

    def signed_in(
        uid: str | None = None,
        *,
        email: str | None = None,
        password: str | None = None,
        claims: Mapping[str, Any] | None = None,
        email_verified: bool = False,
    ) -> AuthUser:
        local_id = auth.create_user(
            uid, email=email, password=password, claims=claims, email_verified=email_verified
        )
        return auth.sign_in(email, password) if email else auth.sign_in_as(local_id)

    return signed_in


# Functions


@pytest.fixture
def functions(harness_suite_project: CheckContext) -> FunctionsEmulator:
    """The Functions emulator: `request` HTTP functions, `run_scheduled`, `publish`, list what is
    `deployed`.
    """
    from harness.emulators.functions import FunctionsEmulator

    harness_suite_project.address("functions")
    emulator = FunctionsEmulator(harness_suite_project.endpoints)
    harness_suite_project.functions = emulator
    return emulator


@pytest.fixture
def call_function(
    harness_suite_project: CheckContext, functions: FunctionsEmulator
) -> CallFunction:
    """A function that calls a callable function, as a uid, an AuthUser, or someone not signed
    in.
    """

    def call(
        name: str,
        data: Any = None,
        *,
        as_: str | AuthUser | None = None,
        claims: Mapping[str, Any] | None = None,
        region: str | None = None,
        timeout_s: float = 60.0,
    ) -> Any:
        from harness.emulators.functions import FunctionsError
        from harness.pytest_plugin.functions_log import FunctionsLog

        token = harness_suite_project.token(as_, claims or {})
        log = harness_suite_project.suite.log
        since = FunctionsLog(log) if log is not None else None
        try:
            return functions.call(name, data, token=token, region=region, timeout_s=timeout_s)
        except FunctionsError as error:
            # The SDK hides from clients what was thrown; whoever reads the report needs it.
            is_hidden = (error.code, error.message) == ("internal", "INTERNAL")
            thrown = since.first_error() if is_hidden and since is not None else None
            if thrown is not None:
                error.args = (f"{error}; {name} logged: {thrown}",)
            raise

    return call


@pytest.fixture
def drain_events(
    harness_suite_project: CheckContext, functions: FunctionsEmulator
) -> Callable[..., int]:
    """A function that waits until every event that is due was delivered; returns how many were.

    The check fails if a function failed meanwhile, unless `failures_allowed=True`.
    """
    from harness.pytest_plugin.functions_log import FunctionsLog

    path = harness_suite_project.suite.log
    log = FunctionsLog(path) if path is not None else None

    def drain(timeout_s: float = 30.0, *, failures_allowed: bool = False) -> int:
        __tracebackhide__ = True
        return harness_suite_project.firestore.drain_events(
            timeout_s,
            failures_allowed=failures_allowed,
            thrown=lambda: log.first_error() if log is not None else None,
        )

    return drain


@pytest.fixture
def redeliver_events(
    harness_suite_project: CheckContext, functions: FunctionsEmulator
) -> Callable[[], int]:
    """A function that delivers the check's events once more, with the ids they had; returns how
    many. Delivery is at least once in production: a function must bear it.
    """
    return harness_suite_project.firestore.redeliver_events


@pytest.fixture
def scheduled_functions(
    functions: FunctionsEmulator, emulator_clock: EmulatorClock, drain_events: Callable[..., int]
) -> ScheduledFunctions:
    """Scheduled functions under `emulator_clock`: `.advance(seconds)` puts it forward and runs what
    is due on the way, `.run(name)` runs one now, `.due(seconds)` only says.
    """
    from harness.pytest_plugin.schedules import ScheduledFunctions

    return ScheduledFunctions(functions, emulator_clock, drain_events)


@pytest.fixture
def functions_log(
    harness_suite_project: CheckContext, functions: FunctionsEmulator
) -> FunctionsLog:
    """What functions have printed since the check began."""
    from harness.pytest_plugin.functions_log import FunctionsLog
    from harness.pytest_plugin.outcome import not_verified

    log = harness_suite_project.suite.log
    if log is None:
        not_verified("the functions' log cannot be read: the suite was not started by the harness")
    return FunctionsLog(log)


# Storage


@pytest.fixture
def harness_storage(harness_suite_project: CheckContext) -> Callable[..., StorageEmulator]:
    """From a token to Storage as its bearer; from here on there are no files."""
    from harness.emulators.storage import StorageEmulator
    from harness.emulators.tokens import ADMIN_TOKEN

    harness_suite_project.address("storage")
    StorageEmulator(harness_suite_project.endpoints, token=ADMIN_TOKEN).clear()

    def storage_of(token: str | None) -> StorageEmulator:
        return StorageEmulator(harness_suite_project.endpoints, token=token)

    return storage_of


@pytest.fixture
def storage_admin(harness_storage: Callable[..., StorageEmulator]) -> StorageEmulator:
    """Storage with rules bypassed."""
    from harness.emulators.tokens import ADMIN_TOKEN

    return harness_storage(ADMIN_TOKEN)


@pytest.fixture
def storage_as(
    harness_suite_project: CheckContext, harness_storage: Callable[..., StorageEmulator]
) -> Callable[..., StorageEmulator]:
    """A function from a uid (or AuthUser) and claims to Storage as that user."""

    def storage_of(uid: str | AuthUser, /, **claims: Any) -> StorageEmulator:
        return harness_storage(harness_suite_project.token(uid, claims))

    return storage_of


@pytest.fixture
def storage_unauthenticated(harness_storage: Callable[..., StorageEmulator]) -> StorageEmulator:
    """Storage as someone who is not signed in."""
    return harness_storage(None)


# The access matrix


@pytest.fixture(scope="session")
def harness_access(harness_project: Path) -> DecidedProject:
    """The project's access matrix, decided in process once for all checks."""
    from harness.errors import HarnessError
    from harness.pytest_plugin.access import decided_project

    try:
        return decided_project(harness_project)
    except HarnessError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def access_matrix(request: pytest.FixtureRequest, harness_access: DecidedProject) -> CheckedMatrix:
    """The access matrix of harness.yaml, decided in process: `.check()` fails with a table of
    surprises, `.blind_spots()` says what it would not notice.
    """
    from harness.pytest_plugin.access import CheckedMatrix
    from harness.pytest_plugin.recorder import findings_of

    return CheckedMatrix(harness_access, findings_of(request.node))


@pytest.fixture
def access_over_the_wire(
    harness_access: DecidedProject,
    harness_suite_project: CheckContext,
    record_proof: Callable[[str], None],
) -> AskOverTheWire:
    """A function that asks a sample of the access matrix's cells of the running emulators, through
    the published clients; it fails where an answer is not the one in process.
    """
    from harness.pytest_plugin.access import ask_over_the_wire

    return ask_over_the_wire(harness_access, harness_suite_project, record_proof)


# What the project's files say


@pytest.fixture
def readiness(request: pytest.FixtureRequest, harness_project: Path) -> ProjectReadiness:
    """Reviews of the project's files, for `settle`: links, tasks against the phase file, emulators,
    collections, documents, production (docs/readiness.md). Of several workflow documents each that
    has the check's item must hold.
    """
    from harness.errors import HarnessError
    from harness.pytest_plugin.readiness import readiness_of

    chosen = request.config.getoption("--harness-workflow")
    try:
        return readiness_of(request.node, harness_project, chosen)
    except HarnessError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def settle(request: pytest.FixtureRequest) -> Settle:
    """A function that ends the check as a review has it: `settle(readiness.links)` records what was
    seen, fails with what is wrong, or is not verified where nothing could be found out.
    """
    from harness.pytest_plugin.readiness import settled_by
    from harness.pytest_plugin.recorder import findings_of

    return settled_by(findings_of(request.node))


# What all checks reached


@pytest.fixture
def rules_coverage(
    request: pytest.FixtureRequest, harness_suite: HandedSuite
) -> tuple[CoverageSummary, ...]:
    """What all other checks of this run evaluated of the security rules, a summary for each rules
    file: `summary.evaluated.percent`, `summary.both.percent`, `summary.unevaluated`.

    A check that asks for this runs behind all others. It is not verified when some were left out.
    """
    from harness.pytest_plugin.recorder import findings_of
    from harness.pytest_plugin.rules_coverage import summaries_of_whole_run

    summaries = summaries_of_whole_run(request.config, request.session, harness_suite)
    for summary in summaries:
        percent = int(summary.evaluated.percent)  # rounded down, so that 100 means all
        findings_of(request.node).add_metric(f"percent_of {summary.file_name}", percent)
    return summaries


# What a check observed


@pytest.fixture
def record_proof(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A function that takes a sentence on what was observed: "37 decisions agreed with the
    matrix".
    """
    from harness.pytest_plugin.recorder import findings_of

    return findings_of(request.node).add_proof


@pytest.fixture
def record_warning(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A function that takes a sentence on what is no failure, and should not stay so: the check
    passes with a warning.
    """
    from harness.pytest_plugin.recorder import findings_of

    return findings_of(request.node).add_warning


@pytest.fixture
def record_metric(request: pytest.FixtureRequest) -> Callable[[str, int | float | str], None]:
    """A function that takes a name and a value that the same inputs give again: ("reads_billed",
    21).
    """
    from harness.pytest_plugin.recorder import findings_of

    return findings_of(request.node).add_metric
