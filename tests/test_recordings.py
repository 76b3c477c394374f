"""The files that keep what checks asked: bounded, readable after a kill, named when bad."""

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.project import load_project
from harness.recordings import (
    RequestsFile,
    clear_recordings,
    own_rulesets,
    read_recordings,
    read_run,
)
from harness.rules.recorded import RecordedDecision, RecordedDocuments, RecordedRequest
from harness.rules.recorded_json import RequestWriter, ruleset_digest
from harness.rules.request import FIRESTORE, Method, RulesRequest
from harness.rules.values import RulesTimestamp

OWN = "0" * 64


def part(*titles: str, rules: str = OWN) -> str:
    writer = RequestWriter()
    for title in titles:
        request = RulesRequest(FIRESTORE, Method.GET, ("a",), None, RulesTimestamp(0))
        decisions = (RecordedDecision(request, True),)
        writer.add(RecordedRequest(title, "", decisions, RecordedDocuments()), rules)
    return writer.take()


def titles(folder: Path) -> list[str]:
    return [each.title for each in read_recordings(folder)]


def test_without_a_run_there_is_nothing(tmp_path: Path) -> None:
    assert read_recordings(tmp_path) == ()


def test_what_every_process_wrote_is_read(tmp_path: Path) -> None:
    RequestsFile(tmp_path, "gw1", [OWN]).append("test_b", [part("three")])
    file = RequestsFile(tmp_path, "gw0", [OWN])
    file.append("test_a", [part("one"), "", part("two")])
    file.append("test_c", [""])
    assert [(each.origin, each.title) for each in read_recordings(tmp_path)] == [
        ("test_a", "one"),
        ("test_a", "two"),
        ("test_b", "three"),
    ]


def test_requests_of_other_rules_are_kept_apart(tmp_path: Path) -> None:
    RequestsFile(tmp_path, "main", [OWN]).append("test_a", [part("mine"), part("not", rules="1")])
    run = read_run(tmp_path)
    assert [each.title for each in run.requests] == ["mine"]
    assert [each.recorded.title for each in run.foreign] == ["not"]


def test_a_file_is_bounded_and_says_what_it_lacks(tmp_path: Path) -> None:
    file = RequestsFile(tmp_path, "main", [OWN], max_bytes=1_000)
    file.append("test_a", [part("one")])
    file.append("test_b", [part(*map(str, range(50)))])
    file.append("test_c", [part("two")])
    assert titles(tmp_path) == ["one", "two"]
    assert read_run(tmp_path).left_out == 50


def test_a_line_that_a_kill_has_cut_is_passed_over(tmp_path: Path) -> None:
    file = RequestsFile(tmp_path, "main", [OWN])
    file.append("test_a", [part("one")])
    with (tmp_path / ".harness/requests/main.jsonl").open("a") as opened:
        opened.write(part("two")[:-5])
    assert titles(tmp_path) == ["one"]


@pytest.mark.parametrize("text", ["{}\n", "nothing\n", '{"harness_requests": 2, "rules": []}\n'])
def test_a_file_of_another_kind_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".harness/requests/main.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(HarnessError, match=r"main\.jsonl cannot be read") as raised:
        read_recordings(tmp_path)
    assert "delete it" in raised.value.fix


def test_a_new_run_begins_with_nothing(tmp_path: Path) -> None:
    RequestsFile(tmp_path, "gw0", [OWN]).append("test_a", [part("one")])
    clear_recordings(tmp_path)
    clear_recordings(tmp_path)
    assert titles(tmp_path) == []


def test_the_rules_of_firebase_json_are_the_project_s_own(tmp_path: Path) -> None:
    (tmp_path / "firebase.json").write_text(
        '{"firestore": {"rules": "a/f.rules"}, "storage": {"rules": "gone.rules"}}'
    )
    (tmp_path / "a").mkdir()
    (tmp_path / "a/f.rules").write_text("service cloud.firestore {}")
    (only,) = own_rulesets(load_project(tmp_path)).items()
    assert only[0] == ruleset_digest("service cloud.firestore {}")
    assert only[1].file_name == "a/f.rules"
