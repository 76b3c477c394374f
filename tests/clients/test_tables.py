import pytest

from tests.clients.run import main, make_plan
from tests.clients.tables import (
    CLIENTS_FILE,
    Fails,
    Gives,
    divide,
    read_clients,
    read_table,
    read_tables,
)

TABLE = """
source: somewhere
cases:
  - name: one
    steps:
      - {set: [a/b, {"n": {$integer: "1"}}]}
      - {get: a/b, gives: null}
  - name: two
    except: {web: it cannot}
    steps: [{delete: [a/b, {exists: true}], fails: {code: not-found, message: none}}]
"""
CLIENTS = """
reasons:
  - &lacks
    what: [$integer]
    reason: it has no such numbers
clients:
  web: {title: Web, lacks: [*lacks]}
  server: {title: Server, lacks: []}
"""


def test_a_step_has_a_verb_and_an_expectation():
    one, two = read_table("t", TABLE).cases
    assert [step.verb for step in one.steps] == ["set", "get"]
    assert [step.expected for step in one.steps] == [None, Gives(None)]
    assert two.steps[0].expected == Fails(("not-found",), "none")
    assert one.source == "somewhere"


def test_what_a_client_lacks_is_left_out_with_the_reason():
    web, server = read_clients(CLIENTS)
    tables = (read_table("t", TABLE),)
    plan, left_out = divide(web, tables)
    assert plan == []
    assert [(each.case, each.reason) for each in left_out] == [
        ("one", "it has no such numbers"),
        ("two", "it cannot"),
    ]
    plan, left_out = divide(server, tables)
    assert [case["name"] for case in plan[0]["cases"]] == ["one", "two"]
    assert left_out == []


def test_needs_are_found_within_transactions_and_batches():
    text = """
source: somewhere
cases:
  - name: one
    steps:
      - transaction:
          - [{find: {collection: a, select: [b]}}, {meanwhile: [{create: [a/b, {}]}]}]
          - {readOnly: true}
        gives: null
      - {batch: [[create, a/b, {}], [delete, a/b]]}
      - {at_once: [{count: {collection: a, offset: 1}}]}
"""
    (case,) = read_table("t", text).cases
    assert case.needs >= {
        *("transaction", "transaction.find", "transaction.meanwhile", "transaction.readOnly"),
        *("select", "offset", "create", "batch", "at_once", "count"),
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("source: s\ncases: []", "no cases"),
        ("source: s\nmore: 1\ncases: []", "unknown: more"),
        ("cases: [{name: a, steps: [{get: a/b, gives: 1}]}]", "no source"),
        ("source: s\ncases: [{name: a, steps: [{get: a/b}]}]", "nothing is expected"),
        ("source: s\ncases: [{name: a, steps: [{get: a/b, set: a}]}]", "one verb"),
        ("source: s\ncases: [{name: a, steps: [{get: a, gives: 1, fails: b}]}]", "gives or fails"),
        (
            "source: s\ncases: [{name: a, steps: &s [{get: a/b, gives: 1}]}, {name: a, steps: *s}]",
            "two cases are named a",
        ),
        (
            "source: s\nshared: true\ncases: [{name: a, rules: r, steps: [{get: a/b, gives: 1}]}]",
            "a case of a shared table has the table's rules",
        ),
    ],
)
def test_a_malformed_table_is_refused(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        read_table("t", text)


def test_every_exception_and_every_lack_names_what_there_is():
    clients = read_clients(CLIENTS_FILE.read_text(encoding="utf-8"))
    names = {client.name for client in clients}
    cases = [case for table in read_tables() for case in table.cases]
    assert {name for case in cases for name in case.exceptions} <= names
    needs = {need for case in cases for need in case.needs}
    assert {what for client in clients for what in client.lacks} <= needs


def test_cases_are_chosen_by_text():
    clients = read_clients(CLIENTS)
    plan = make_plan([read_table("t", TABLE)], clients, ["server"], "t: one")
    assert list(plan.cases) == [("server", "t", "one")]


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["--clients", "nobody"], 2, "no client nobody"),
        (["--against", "somewhere"], 2, "neither `official` nor HOST:PORT"),
        (["--against", "127.0.0.1:1"], 3, "nothing listens at 127.0.0.1:1"),
    ],
)
def test_what_cannot_be_asked_is_said_in_two_lines(capsys, arguments, status, complaint):
    assert main(arguments) == status
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.splitlines()) == 2
