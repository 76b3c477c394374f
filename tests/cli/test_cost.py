"""`harness cost`: what a month costs, how costs grow, and what has become dearer in real git
repositories.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from harness.billing.growth import growth_of, growth_of_time
from harness.billing.scenarios import GrowthCost, scenario_cost
from harness.costs import SAVED, CostsFile, clear_costs, save_costs
from harness.emulators.firestore_alone import EmbeddedFirestore
from tests.billing.uses import use
from tests.cli.conftest import RULES, ProjectFolder, Ran
from tests.cli.test_rules_diff import commit, git

Run = Callable[..., Ran]

TRAFFIC = """\
traffic:
  location: us-central1
  users: 10000
  sessions_a_day: 2
  actions_a_session: {open: 3, vote: 1}
"""


def measure(project: ProjectFolder, *, reads: int = 25, growth: str = "page") -> None:
    """Leave what a run of checks would leave."""
    file = CostsFile(project.path, "main")
    feed = use(shape="posts", reads=reads, returned=reads, limit=50, at="checks/test_feed.py:7")
    vote = use(rpc="Commit", shape="votes/*", writes=1, documents=["votes/a"], function="onVote")
    file.append(scenario_cost("open", "checks/test_feed.py::test_open", [feed], 0))
    file.append(scenario_cost("vote", "checks/test_feed.py::test_vote", [vote], 1))
    figures = [10, 25, 25] if growth == "page" else [10, 100, 1000]
    file.append(
        GrowthCost(
            "open",
            "checks/test_feed.py::test_growth",
            {
                "reads": growth_of([10, 100, 1000], figures),
                "time": growth_of_time([10, 100, 1000], [1, 2, 1]),
            },
            "page",
            ("10 → 100 → 1,000 reads: RunQuery posts  at checks/test_feed.py:7",),
        )
    )


# The report


def test_a_report_says_what_a_month_costs_and_how_sure_that_is(
    project: ProjectFolder, harness: Run
) -> None:
    project.write("harness.yaml", TRAFFIC)
    measure(project)
    ran = harness("cost", "report")
    assert ran.status == 0, ran.err
    # By hand: 60,000 openings a day × 25 - 50,000 free = 1,450,000 reads, × 30 days at 0.03;
    # 20,000 votes a day are what is free.
    assert "$13" in ran.out
    assert "Where it goes, at list price" in ran.out
    assert "█" in ran.out
    assert "-20%" in ran.out
    assert "twice" in ran.out
    assert "users" in ran.out


def test_the_report_for_programs_has_exact_amounts(project: ProjectFolder, harness: Run) -> None:
    project.write("harness.yaml", TRAFFIC)
    measure(project)
    report = json.loads(harness("cost", "report", "--format", "json").out)
    assert report["bill"][0]["amount"] == "13.05"
    assert report["total"] == "13.05"
    users = next(each for each in report["sensitivity"] if each["assumption"] == "users")
    # Of twice as many users: 2,950,000 reads a day are billed, and 20,000 writes: 26.55 + 0.54;
    # 1,200,000 function runs of 0.3 s are 360,000 vCPU seconds, 180,000 of them billed: 4.32.
    assert users["totals"]["2"] == "31.41"


def test_a_report_is_written_for_comments(
    project: ProjectFolder, harness: Run, tmp_path: Path
) -> None:
    project.write("harness.yaml", TRAFFIC)
    measure(project)
    output = tmp_path / "cost.md"
    assert harness("cost", "report", "--format", "markdown", "-o", output).status == 0
    assert "| document reads |" in output.read_text()


def test_more_reads_where_there_is_more_data_are_told(project: ProjectFolder, harness: Run) -> None:
    # Checks run on little data; production does not.
    project.write("harness.yaml", TRAFFIC)
    measure(project, growth="collection")
    ran = harness("cost", "report")
    # 60,000 × 1,000 reads a day, less what is free: 1,798,500,000 a month at 0.03.
    assert '"open" has 1,000 reads with 1,000 documents, and 25 as counted here' in ran.out
    assert "with those, a month costs $540" in ran.out


def test_a_price_list_of_ones_own_is_used(project: ProjectFolder, harness: Run) -> None:
    text = files("harness.billing").joinpath("prices.yaml").read_text(encoding="utf-8")
    project.write(
        "prices.yaml", text.replace("us-central1: {reads: 0.03", "us-central1: {reads: 3")
    )
    project.write("harness.yaml", f"{TRAFFIC}  prices: prices.yaml\n")
    measure(project)
    report = json.loads(harness("cost", "report", "--format", "json").out)
    assert report["total"] == "1305"


def test_an_unknown_location_has_an_upper_bound_and_says_so(
    project: ProjectFolder, harness: Run
) -> None:
    project.write("harness.yaml", TRAFFIC.replace("us-central1", "us-centrall1"))
    measure(project)
    ran = harness("cost", "report")
    assert ran.status == 0
    assert "no prices for us-centrall1" in ran.out
    assert "did you mean us-central1?" in ran.out


@pytest.mark.parametrize(
    ("settings", "prices", "problem", "fix"),
    [
        ("", None, "has no traffic model", "add traffic:"),
        ("traffic: {location: eur3}\n", None, "harness.yaml:1:10: traffic lacks users", "give it"),
        (TRAFFIC + "  growth_a_month: 1.0e+300\n", None, "is beyond all measure", "at most"),
        (TRAFFIC + "  prices: none.yaml\n", None, "none.yaml", "fix"),
        (TRAFFIC + "  prices: p.yaml\n", "firestore: [", "p.yaml:1:", "check indentation"),
        (TRAFFIC + "  prices: p.yaml\n", "a: 1\n", '"a" is not a key of the price list', "known"),
        (TRAFFIC + "  prices: p.yaml\n", "functions: {}\n", "lacks firestore", "add firestore:"),
    ],
)
def test_what_a_report_lacks_is_said_in_two_lines(
    project: ProjectFolder,
    harness: Run,
    settings: str,
    prices: str | None,
    problem: str,
    fix: str,
) -> None:
    project.write("harness.yaml", settings)
    if prices is not None:
        project.write("p.yaml", prices)
    measure(project)
    ran = harness("cost", "report")
    assert ran.status == 2
    assert problem in ran.err
    assert fix in ran.err
    assert len(ran.err.strip().splitlines()) <= 4


@pytest.mark.parametrize("words", [("report",), ("diff",), ("growth", "--last")])
def test_without_a_run_there_is_nothing_to_say(
    project: ProjectFolder, harness: Run, words: tuple[str, ...]
) -> None:
    project.write("harness.yaml", TRAFFIC)
    git(project.path, "init", "--quiet", "--initial-branch=main")
    commit(project)
    ran = harness("cost", *words)
    assert ran.status == 2
    assert len(ran.err.strip().splitlines()) == 2


def test_what_was_saved_stands_for_what_the_last_run_left_out(
    project: ProjectFolder, harness: Run
) -> None:
    project.write("harness.yaml", TRAFFIC)
    measure(project)
    save_costs(project.path, whole=True)
    for left in (project.path / ".harness" / "costs").glob("*.jsonl"):
        left.unlink()
    assert json.loads(harness("cost", "report", "--format", "json").out)["total"] == "13.05"


def test_a_few_bytes_more_leave_what_was_saved_as_it_is(project: ProjectFolder) -> None:
    def saved_after(bytes_: int, reads: int = 1) -> str:
        clear_costs(project.path)
        look = use(shape="c/*", reads=reads, egress_bytes=bytes_)
        file = CostsFile(project.path, "main")
        file.append(scenario_cost("look", "checks/t.py::test_look", [look], 0))
        save_costs(project.path, whole=True)
        return (project.path / SAVED).read_text(encoding="utf-8")

    first = saved_after(94)
    assert saved_after(95) == first
    assert saved_after(120) == first
    assert saved_after(9_400) != first
    assert saved_after(94, reads=2) != first


def measured_by(project: ProjectFolder, folder: Path, name: str, reads: int) -> Path:
    """Return another machine's copy of a project, in which one scenario was measured."""
    shutil.copytree(project.path, folder)
    clear_costs(folder)
    feed = use(shape="posts", reads=reads, returned=reads, limit=50)
    CostsFile(folder, "main").append(scenario_cost(name, f"checks/t.py::test_{name}", [feed], 0))
    save_costs(folder, whole=False)
    return folder


def reads_of(project: ProjectFolder) -> dict[str, float]:
    saved = json.loads((project.path / SAVED).read_text(encoding="utf-8"))
    return {each["scenario"]: each["operations"].get("reads", 0) for each in saved["scenarios"]}


def test_what_several_machines_measured_is_joined(
    branched: ProjectFolder, harness: Run, tmp_path: Path
) -> None:
    assert reads_of(branched) == {"open": 25, "vote": 0}
    first = measured_by(branched, tmp_path / "1", "open", 7)
    second = measured_by(branched, tmp_path / "2", "search", 3)
    for folder in (first, second):  # merging evidence needs a folder of it
        (folder / ".harness/evidence").mkdir(exist_ok=True)
    folders = (first, second / ".harness/evidence")
    said = harness("evidence", "merge", *folders).out
    assert said.splitlines() == ["0 items have new evidence", ".harness/costs.json has new costs"]
    # What `second` left as it was committed says nothing against what `first` measured.
    assert reads_of(branched) == {"open": 7, "search": 3, "vote": 0}
    assert harness("evidence", "merge", *folders).out == "0 items have new evidence\n"


# Growth


def test_growth_names_the_requests_behind_it(project: ProjectFolder, harness: Run) -> None:
    measure(project, growth="collection")
    ran = harness("cost", "growth", "--last")
    assert ran.status == 1
    assert "with the collection: 10 → 100 → 1,000  ← too fast" in ran.out
    assert "RunQuery posts  at checks/test_feed.py:7" in ran.out


@pytest.mark.parametrize("sizes", ["10", "10,5,20", "a,b,c", "1,2,3,x"])
def test_sizes_that_do_not_ascend_are_refused(
    project: ProjectFolder, harness: Run, sizes: str
) -> None:
    ran = harness("cost", "growth", "--sizes", sizes)
    assert ran.status == 2
    assert "three numbers or more that ascend" in ran.err


def test_growth_without_checks_or_of_an_unknown_name_is_told(
    project: ProjectFolder, harness: Run
) -> None:
    ran = harness("cost", "growth")
    assert ran.status == 2
    assert "there is no folder checks/ with checks" in ran.err
    measure(project)
    ran = harness("cost", "growth", "--last", "opne")
    assert ran.status == 2
    assert "no check measures how the cost of opne grows" in ran.err


# Two branches


@pytest.fixture
def branched(project: ProjectFolder) -> ProjectFolder:
    """A repository whose branch main has saved costs; the working directory."""
    git(project.path, "init", "--quiet", "--initial-branch=main")
    measure(project)
    save_costs(project.path, whole=True)
    commit(project)
    git(project.path, "switch", "--quiet", "--create", "feature")
    return project


def test_nothing_dearer_is_no_difference(branched: ProjectFolder, harness: Run) -> None:
    ran = harness("cost", "diff", "main")
    assert ran.status == 0
    assert "every action costs what it did at main" in ran.out


def test_what_became_dearer_fails_and_names_the_query(
    branched: ProjectFolder, harness: Run
) -> None:
    measure(branched, reads=30, growth="collection")
    save_costs(branched.path, whole=True)
    commit(branched)
    ran = harness("cost", "diff", "main")
    assert ran.status == 1
    assert "DEARER: open: 25 → 30 reads" in ran.out
    assert "25 → 30  RunQuery posts  at checks/test_feed.py:7" in ran.out
    assert "GROWS FASTER: open: reads with the page size" in ran.out
    back = harness("cost", "diff", "HEAD")
    assert back.status == 0


def test_a_tolerance_lets_a_little_pass_but_no_faster_growth(
    branched: ProjectFolder, harness: Run
) -> None:
    measure(branched, reads=30)
    assert harness("cost", "diff", "main", "--tolerance", "19").status == 1
    ran = harness("cost", "diff", "main", "--tolerance", "20")
    assert ran.status == 0
    assert "changed: open: 25 → 30 reads" in ran.out
    measure(branched, growth="collection")
    assert harness("cost", "diff", "main", "--tolerance", "1000").status == 1


def test_a_saved_file_can_be_compared_with(branched: ProjectFolder, harness: Run) -> None:
    measure(branched, reads=20)
    ran = harness("cost", "diff", ".harness/costs.json")
    assert ran.status == 0
    assert "cheaper: open: 25 → 20 reads" in ran.out


def test_an_unknown_revision_is_told_with_what_to_do(branched: ProjectFolder, harness: Run) -> None:
    ran = harness("cost", "diff", "mian")
    assert ran.status == 2
    assert "mian: there is no such revision here" in ran.err
    assert "or a costs.json file" in ran.err
    assert "rules" not in ran.err


def test_outside_of_git_a_file_is_asked_for(project: ProjectFolder, harness: Run) -> None:
    measure(project)
    ran = harness("cost", "diff", "main")
    assert ran.status == 2
    assert "is in no git repository" in ran.err
    assert "costs.json" in ran.err


def test_a_revision_without_costs_is_told(project: ProjectFolder, harness: Run) -> None:
    git(project.path, "init", "--quiet", "--initial-branch=main")
    commit(project)
    measure(project)
    ran = harness("cost", "diff", "main")
    assert ran.status == 2
    assert "main has no .harness/costs.json" in ran.err


def test_a_file_that_holds_no_costs_is_told(project: ProjectFolder, harness: Run) -> None:
    measure(project)
    project.write("old.json", "{}")
    ran = harness("cost", "diff", "old.json")
    assert ran.status == 2
    assert "not a file of measured costs" in ran.err


# The whole way: checks on a real Firestore


CHECK = '''\
import pytest

pytestmark = pytest.mark.workflow("Testing/Performance testing")


@pytest.fixture
def seed_posts(firestore_admin):
    def seed(start, end):
        for number in range(start, end):
            firestore_admin.document(f"posts/{number}").set({"n": number})

    return seed


def feed(client):
    return client.collection("posts").limit(5).get()


def test_the_feed(firestore_admin, seed_posts, query_cost):
    """The feed is a page."""
    seed_posts(0, 12)
    with query_cost("feed"):
        feed(firestore_admin)


def test_the_feed_grows(firestore_admin, seed_posts, cost_growth):
    """The feed stays a page."""
    cost_growth("feed", seed_posts, lambda: feed(firestore_admin), sizes=(3, 6, 12))
'''


@pytest.fixture
def firestore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Firestore that runs already."""
    rules = tmp_path / "running.rules"
    rules.write_text(RULES, encoding="utf-8")
    with EmbeddedFirestore("demo-harness", rules=rules) as running:
        running.wait_until_ready()
        assert running.endpoints.firestore is not None
        monkeypatch.delenv("FIREBASE_EMULATOR_HUB", raising=False)
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", running.endpoints.firestore)
        yield


def test_a_branch_that_drops_a_limit_is_found_by_growth_and_by_diff(
    project: ProjectFolder, harness: Run, firestore: None
) -> None:
    project.write("checks/test_feed.py", CHECK)
    project.write("harness.yaml", "budgets:\n  feed: {growth: page}\n")
    git(project.path, "init", "--quiet", "--initial-branch=main")
    assert harness("verify", "--firestore", "attach").status == 0
    commit(project)
    statement = next((project.path / ".harness" / "evidence").rglob("*.json")).read_text()
    assert '"feed: reads": 5' in statement
    assert '"feed: reads grow": "with the page size"' in statement

    git(project.path, "switch", "--quiet", "--create", "feature")
    project.write("checks/test_feed.py", CHECK.replace(".limit(5)", ""))
    ran = harness("cost", "growth")
    assert ran.status == 1
    assert "with the result: 3 → 6 → 12  ← too fast" in ran.out
    assert "3 → 6 → 12 reads: RunQuery posts  at checks/test_feed.py:16" in ran.out
    assert harness("verify", "--firestore", "attach").status == 1
    ran = harness("cost", "diff", "main")
    assert ran.status == 1
    assert "DEARER: feed: 5 → 12 reads" in ran.out
    assert "0 → 12  RunQuery posts  at checks/test_feed.py:16" in ran.out
    assert "GROWS FASTER: feed: reads with the page size" in ran.out
