"""What pytest loads in every project of the environment: hooks and options, nothing else.

Nothing here costs anything until a test carries the `workflow` mark or asks for one of the
fixtures.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.pytest_plugin.run import HarnessRun

_PACKAGE = __name__.partition(".")[0]
_REWRITING = ("_must_rewrite", "_marked_for_rewrite_cache")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options. Each has the prefix, so that no other plugin's can be meant."""
    _leave_own_modules_alone(pluginmanager)
    group = parser.getgroup("harness", "Firebase workflow harness")
    group.addoption(
        "--harness-project",
        metavar="DIR",
        help="the project's folder, which holds firebase.json (default: the nearest one upwards)",
    )
    group.addoption(
        "--harness-workflow",
        metavar="FILE",
        action="append",
        default=[],
        help="the workflow document whose items the checks name (may be given several times)",
    )
    group.addoption(
        "--harness-item",
        metavar="ITEM",
        action="append",
        default=[],
        help="run only the checks of this item (may be given several times)",
    )
    group.addoption(
        "--harness-shard",
        metavar="I/N",
        type=_shard,
        help="run only the I-th of N parts; what verifies an item stays together",
    )
    group.addoption(
        "--harness-firestore",
        choices=("embedded", "official", "attach"),
        default=None,
        help="whose Firestore emulator the checks run against (default: embedded)",
    )
    group.addoption(
        "--harness-evidence",
        metavar="DIR",
        help="write every check's result to DIR/checks.jsonl",
    )
    group.addoption(
        "--harness-rehearsal",
        action="store_true",
        help="keep nothing of this run: the requests and the coverage of the last one stay",
    )
    group.addoption(
        "--harness-against",
        "--against",
        metavar="PROJECT",
        help="run the checks with the mark `staging` against this real project, reading only",
    )
    group.addoption(
        "--harness-growth",
        action="store_true",
        help="run only the checks that measure how a cost grows",
    )
    group.addoption(
        "--harness-growth-name",
        metavar="NAME",
        action="append",
        default=[],
        help="of those, measure only this scenario (may be given several times)",
    )
    group.addoption(
        "--harness-growth-sizes",
        metavar="N,N,N",
        help="how many documents there shall be, in place of what the checks say",
    )


def _leave_own_modules_alone(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let pytest import this package as it is: it rewrites the assertions of plugins, of which
    there are none here, and where nothing may be written it parses each module anew to do so.
    """
    hook = getattr(pluginmanager, "rewrite_hook", None)
    # Not public; where they are not there, importing takes longer.
    marked, known = (getattr(hook, name, None) for name in _REWRITING)
    if isinstance(marked, set) and isinstance(known, dict):
        marked -= {name for name in marked if name.partition(".")[0] == _PACKAGE}
        known.clear()


def _shard(text: str) -> tuple[int, int]:
    from harness.workflow.shards import parse_shard

    return parse_shard(text)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark and make the fixtures known."""
    config.addinivalue_line(
        "markers",
        "workflow(*items): the items of the workflow document that this check verifies,"
        ' each as "Heading/Item text" or its slug',
    )
    config.addinivalue_line(
        "markers", "staging: this check only reads, so that --against may ask a real project too"
    )
    from harness.pytest_plugin import fixtures

    for module in fixtures.MODULES:
        config.pluginmanager.register(module, f"harness-{module.__name__.rpartition('.')[2]}")
    if config.getoption("--harness-against"):
        from harness.pytest_plugin.against import AgainstPlugin, checked_project

        config.pluginmanager.register(AgainstPlugin(checked_project(config)), "harness-against")
    if config.pluginmanager.hasplugin("xdist"):
        from harness.pytest_plugin import xdist

        config.pluginmanager.register(xdist, "harness-xdist")
    if config.getoption("--harness-evidence"):
        start_run(config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Resolve the marks of what was just collected; a name that no item has fails the
    collection.
    """
    report = yield
    run = run_of(collector.config)
    if report.passed:
        marked = [
            node
            for node in report.result
            if isinstance(node, pytest.Item)
            and (_is_marked(node) or (run is not None and run.has_patterns))
        ]
        if marked:
            (run or start_run(collector.config)).resolve(report, marked)
    elif run or _may_hold_checks(collector):
        (run or start_run(collector.config)).note_uncollected(collector, report)
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take marks that a conftest added, and keep only the checks of the items asked for."""
    run = run_of(config)
    if run is None and any(_is_marked(item) or uses_suite(item) for item in items):
        run = start_run(config)
    if run is not None:
        run.select(items)
    if config.getoption("--harness-growth"):
        dropped = [item for item in items if "cost_growth" not in _fixture_names(item)]
        items[:] = [item for item in items if item not in dropped]
        config.hook.pytest_deselected(items=dropped)


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Name the requests behind a figure of the bill that is compared."""
    from harness.pytest_plugin.figures import explain_comparison

    return explain_comparison(left, right, op)


def run_of(config: pytest.Config) -> HarnessRun | None:
    """Return the run, if this one has turned out to use the harness."""
    run: HarnessRun | None = config.pluginmanager.get_plugin("harness-run")
    return run


def start_run(config: pytest.Config) -> HarnessRun:
    """Register what a run that uses the harness needs."""
    from harness.pytest_plugin.run import HarnessRun

    run = HarnessRun(config)
    config.pluginmanager.register(run, "harness-run")
    if config.getoption("--harness-evidence"):
        from harness.pytest_plugin.inputs import InputWatch

        config.pluginmanager.register(InputWatch(config, run.began_s), "harness-inputs")
    return run


def uses_suite(item: pytest.Item) -> bool:
    """Whether a test asks for a fixture that needs emulators."""
    return "harness_suite" in _fixture_names(item)


def looks_at_coverage(item: pytest.Item) -> bool:
    """Whether a check asks what all the others reached, and so has to run behind them."""
    return "rules_coverage" in _fixture_names(item)


def _fixture_names(item: pytest.Item) -> Sequence[str]:
    names: Sequence[str] = getattr(item, "fixturenames", ())
    return names


def _is_marked(item: pytest.Item) -> bool:
    return item.get_closest_marker("workflow") is not None


def _may_hold_checks(collector: pytest.Collector) -> bool:
    """Whether a file that could not be collected names items, so that leaving it out matters."""
    if not isinstance(collector, pytest.File):
        return False
    try:
        return "mark.workflow(" in collector.path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
