"""Who notices a mutant, on a small ruleset with a small access matrix."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from harness.access.decide import record_cells
from harness.access.model import MatrixCell
from harness.review.example_rows import RowMaker
from harness.review.mutants import Effect, Mutant, find_mutants
from harness.review.mutation_report import (
    operator_table,
    report_json,
    score_text,
    survivor_text,
    survivors,
)
from harness.review.scoring import Evidence, Examiner, Finding, Standing, Tally, by_operator, tally
from harness.rules.recorded import RecordedDocuments, RecordedRequest
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.source import SourceText
from tests.access.tables import matrix_of

RULES = """\
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /notes/{note} {
      allow get: if request.auth != null && resource.data.owner == request.auth.uid;
      allow list: if request.auth != null && request.query.limit <= 10;
      allow create: if request.resource.data.owner == request.auth.uid
          && request.resource.data.text is string;
    }
  }
}
"""
MATRIX = """\
documents:
  notes/one: {owner: alice, text: hello}
rows:
  - {name: one's note, method: get, path: notes/one, allow: [alice]}
  - {name: some notes, method: list, path: notes, limit: 10, allow: signed-in}
  - name: a new note
    method: create
    path: notes/new
    data: {owner: $uid, text: x}
    allow: signed-in
"""


def loaded(text: str = RULES) -> CompiledRuleset:
    ruleset = load_ruleset(SourceText("firestore.rules", text)).ruleset
    assert ruleset is not None
    return ruleset


RULESET = loaded()
CELLS = record_cells(matrix_of(MATRIX), RULESET)


def mutant(part: str, operator: str) -> Mutant:
    """The one mutant of an operator whose description has a part."""
    found = [
        each for each in find_mutants(RULESET)
        if each.operator == operator and part in each.description
    ]  # fmt: skip
    assert len(found) == 1, found
    return found[0]


def examined(part: str, operator: str, evidence: Evidence) -> Finding:
    return Examiner(RULESET, evidence).examine(mutant(part, operator))


def as_recorded(cell: MatrixCell, check: str) -> RecordedRequest:
    return replace(cell.recorded, origin=check)


def cell(row: str, persona: str) -> MatrixCell:
    return next(each for each in CELLS if (each.row, each.persona) == (row, persona))


def test_a_cell_that_is_answered_otherwise_notices_a_mutant() -> None:
    finding = examined("in `resource.data.owner", "equality", Evidence(CELLS))
    assert finding.standing is Standing.KILLED
    assert finding.noticed_by == "access: one's note / alice"


def test_what_no_cell_reaches_survives_with_a_request_that_is_newly_allowed() -> None:
    finding = examined("request.resource.data.text is string", "drop conjunct", Evidence(CELLS))
    assert finding.standing is Standing.SURVIVED
    assert finding.example is not None
    assert finding.example.allowed
    assert not finding.example.recorded.allowed
    assert finding.example.recorded.title.startswith("create notes/new as alice, but ")


def test_a_survivor_that_denies_more_has_a_request_that_is_newly_denied() -> None:
    finding = examined(
        "`<=` to `<`",
        "boundary",
        Evidence(tuple(each for each in CELLS if each.row != "some notes")),
    )
    assert finding.mutant.effect is Effect.NARROWS
    assert finding.standing is Standing.SURVIVED
    assert finding.example is None or not finding.example.allowed


def test_no_example_is_searched_for_when_none_is_wanted() -> None:
    examiner = Examiner(RULESET, Evidence(CELLS))
    finding = examiner.examine(
        mutant("request.resource.data.text is string", "drop conjunct"), with_example=False
    )
    assert (finding.standing, finding.example) == (Standing.SURVIVED, None)


def test_a_recorded_request_only_leaves_a_mutant_open() -> None:
    asked = as_recorded(cell("one's note", "alice"), "checks/test_notes.py::test_own")
    other = as_recorded(cell("some notes", "alice"), "checks/test_notes.py::test_list")
    finding = examined("in `resource.data.owner", "equality", Evidence((), (asked, other)))
    assert finding.standing is Standing.OPEN
    assert finding.changed == ("checks/test_notes.py::test_own",)
    assert finding.example is not None


def test_a_request_whose_answer_is_not_certain_leaves_a_mutant_open() -> None:
    text = RULES.replace(
        "allow list:", "allow list: if exists(/x/$(database)) && false; allow list:"
    )
    ruleset = loaded(
        text.replace("exists(/x/$(database))", "exists(/databases/(default)/documents/x/y)")
    )
    asked = replace(
        as_recorded(cell("some notes", "alice"), "checks/test_notes.py::test_list"),
        documents=RecordedDocuments(is_complete=False),
    )
    # The ruleset itself looks at a document that was not recorded.
    examiner = Examiner(ruleset, Evidence((), (asked,)))
    assert examiner.stale == 1


def test_cells_about_which_the_rules_are_wrong_notice_nothing_and_are_counted() -> None:
    wrong = tuple(replace(each, expected=not each.expected) for each in CELLS)
    examiner = Examiner(RULESET, Evidence(wrong))
    assert examiner.surprises == len(CELLS)
    findings = [examiner.examine(each, with_example=False) for each in find_mutants(RULESET)]
    assert {finding.standing for finding in findings} == {Standing.SURVIVED}


def test_requests_that_other_rules_answered_are_counted() -> None:
    asked = as_recorded(cell("one's note", "alice"), "checks/a.py::a")
    turned = tuple(replace(each, allowed=not each.allowed) for each in asked.decisions)
    assert Examiner(RULESET, Evidence((), (replace(asked, decisions=turned),))).stale == 1


def test_asking_only_what_a_mutant_reaches_gives_what_asking_everything_gives() -> None:
    from harness.review.mutants import load_mutant
    from harness.rules.recorded import replay

    examiner = Examiner(RULESET, Evidence(CELLS))
    for each in find_mutants(RULESET):
        changed = load_mutant(RULESET, each)
        noticed = any(replay(changed, one.recorded).allowed is not one.expected for one in CELLS)
        finding = examiner.examine(each, with_example=False)
        assert (finding.standing is Standing.KILLED) is noticed, each


def test_findings_and_evidence_can_be_sent_to_another_process() -> None:
    evidence = Evidence(CELLS, (as_recorded(CELLS[0], "a::b"),))
    assert pickle.loads(pickle.dumps(evidence)) == evidence
    finding = examined("`<=` to `<`", "boundary", evidence)
    assert pickle.loads(pickle.dumps(finding)) == finding


# --- counting ---------------------------------------------------------------------------------


def test_what_was_not_decided_is_not_in_the_score() -> None:
    counted = Tally(killed=3, survived=1, open=5, timed_out=2)
    assert counted.score == 75
    text = score_text(counted)
    assert text.startswith("mutation score 75.0 %: 3 of 4 mutants noticed; 5 not counted")
    assert "2 not counted, against which the checks did not end" in text
    assert Tally(open=1).score is None


def test_a_score_is_never_written_as_more_than_it_is() -> None:
    assert score_text(Tally(killed=9999, survived=1)).startswith("mutation score 99.9 %")


def test_operators_are_counted_those_with_most_survivors_first() -> None:
    examiner = Examiner(RULESET, Evidence(CELLS))
    findings = [examiner.examine(each, with_example=False) for each in find_mutants(RULESET)]
    counts = by_operator(findings)
    assert [one.survived for one in counts.values()] == sorted(
        (one.survived for one in counts.values()), reverse=True
    )
    total = tally(findings)
    assert sum(one.killed for one in counts.values()) == total.killed > 0
    assert operator_table(findings)[0].split() == [
        *("operator", "killed", "survived", "open", "timed", "out")
    ]


# --- what is printed --------------------------------------------------------------------------


def row_maker() -> RowMaker:
    personas = {each.persona: each.recorded.decisions[0].request.auth for each in CELLS}
    return RowMaker(RULESET, personas, CELLS[0].recorded.documents.before)


def test_a_survivor_is_a_diff_and_a_row_to_paste() -> None:
    finding = examined("request.resource.data.text is string", "drop conjunct", Evidence(CELLS))
    maker = row_maker()
    text = survivor_text(
        finding, RULESET.source, lambda one: one.example and maker.row(one.example.recorded)
    )
    lines = text.splitlines()
    assert lines[0].startswith("firestore.rules:8:14: survived: leave out `request.resource.data.")
    assert "  -          && request.resource.data.text is string;" in lines
    assert any(line.startswith("  would now be allowed: create notes/new") for line in lines)
    assert "      method: create" in lines


@pytest.mark.parametrize("operator", ["drop conjunct", "bound", "add method"])
def test_a_pasted_row_notices_the_mutant(operator: str) -> None:
    maker = row_maker()
    tried = 0
    for each in find_mutants(RULESET):
        finding = Examiner(RULESET, Evidence(CELLS)).examine(each)
        if each.operator != operator or finding.example is None:
            continue
        row = maker.row(finding.example.recorded)
        if row is None:
            continue
        indented = "\n".join(f"  {line}" for line in row.splitlines())
        cells = record_cells(matrix_of(f"{MATRIX}{indented}\n"), RULESET)
        assert not [one for one in cells if one.is_surprise]
        assert Examiner(RULESET, Evidence(cells)).examine(each).standing is Standing.KILLED
        tried += 1
    assert tried


def test_the_report_as_json_has_every_mutant() -> None:
    examiner = Examiner(RULESET, Evidence(CELLS))
    findings = [examiner.examine(each) for each in find_mutants(RULESET)]
    answer = report_json([(RULESET.source, findings)])
    assert answer["killed"] + answer["survived"] == len(findings)
    [file] = answer["files"]
    assert [one["id"] for one in file["mutants"]] == [one.mutant.id for one in findings]
    survivor = next(one for one in file["mutants"] if one["standing"] == "survived")
    assert survivor["diff"].startswith("--- a/firestore.rules")


def test_survivors_that_allow_something_come_first() -> None:
    examiner = Examiner(RULESET, Evidence(CELLS))
    found = survivors([examiner.examine(each) for each in find_mutants(RULESET)])
    allowed = [one.example is not None and one.example.allowed for one in found]
    assert allowed == sorted(allowed, reverse=True)
