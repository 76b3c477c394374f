"""Decisions in process, beside two evaluators of the Common Expression Language; large rulesets.

Times are of the processor, since nothing here waits for anything else.
`python -m benchmarks.rules` prints more decisions than the table of `make bench` has rows.

The peers come with `pip install -e '.[bench]'`. They are given the same condition and the same
request as one dict (the Rust-backed one also as a context that is ready), without rules' matching
of paths, null and error semantics, or the record of a decision: they do less.
"""

import json
import sys
from statistics import median
from time import process_time

from benchmarks.measuring import Row, run_part
from harness.rules.request import (
    FIRESTORE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.ruleset import load_ruleset
from harness.rules.runtime import NO_DOCUMENTS
from harness.rules.values import RulesPath, RulesTimestamp
from harness.source import SourceText

CONDITION = (
    "request.auth != null && request.auth.uid == resource.data.owner"
    " && request.resource.data.keys().hasOnly(['owner', 'title', 'done'])"
)
CEL_CONDITION = (
    "request.auth != null && request.auth.uid == resource.data.owner"
    " && request.resource.data.all(k, k in ['owner', 'title', 'done'])"
)
ROOT = ("databases", "(default)", "documents")
ROLES = {(*ROOT, "users", "ana"): {"role": "editor"}}
COLLECTIONS = 375
DECISION_TARGET_US, LOAD_TARGET_MS, FIRST_TARGET_US = 3, 150, 200
OURS = "harness: a whole decision"
RUST_CEL = "common-expression-language (Rust), dict"
PYTHON_CEL = "cel-python, values ready"
ROUND_S = 0.1
ROUNDS = 9
LOADS = 7


class Documents:
    """Where `get` looks."""

    def get(self, path):
        return ROLES.get(path)

    get_after = get


def ruleset(collections):
    lines = ["rules_version = '2';", "service cloud.firestore {"]
    lines.append("  match /databases/{db}/documents {")
    for number in range(collections):
        lines += [
            f"    match /c{number}/{{id}} {{",
            f"      function owns{number}() {{",
            f"        return {CONDITION};",
            "      }",
            f"      allow update: if owns{number}();",
            "      allow get: if request.auth != null;",
            "      allow list: if request.query.limit <= 100;",
            "    }",
        ]
    return "\n".join([*lines, "  }", "}"])


def loaded(text):
    made = load_ruleset(SourceText("firestore.rules", text)).ruleset
    assert made is not None
    return made


def rules(body):
    return loaded(
        "rules_version = '2';\nservice cloud.firestore {\n"
        f"  match /databases/{{db}}/documents {{\n{body}\n  }}\n}}"
    )


def request(method, collection, uid="ana", query=None):
    path = (*ROOT, collection) if method is Method.LIST else (*ROOT, collection, "1")
    document = None
    if method is not Method.LIST:
        data = {"owner": "ana", "title": "t", "done": False}
        document = RulesResource(data, RulesPath(path))
    return RulesRequest(
        service=FIRESTORE,
        method=method,
        path=path,
        auth=RulesAuth(uid, {"email": "ana@example.com"}),
        time=RulesTimestamp(0),
        resource=document,
        new_resource=document if method is Method.UPDATE else None,
        query=query,
    )


def cel_input(uid):
    data = {"owner": "ana", "title": "t", "done": False}
    auth = {"uid": uid, "token": {"email": "ana@example.com"}}
    return {
        "request": {"auth": auth, "method": "update", "resource": {"data": data}},
        "resource": {"data": data},
    }


# --- measuring ------------------------------------------------------------------------------------


def side_by_side(calls):
    """Time calls in turns, so that what disturbs one disturbs all; microseconds by name.

    Args:
        calls: Name to a function and its two arguments, which are used in turn.
    """
    counts = {}
    for name, (run, (one, other)) in calls.items():
        count, taken = 1, 0.0
        while taken < ROUND_S / 4:
            count *= 2
            taken = timed(run, one, other, count)
        counts[name] = max(1, int(count * ROUND_S / taken))
    times = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, (run, (one, other)) in calls.items():
            count = counts[name]
            times[name].append(timed(run, one, other, count) / count / 2 * 1e6)
    return {name: median(each) for name, each in times.items()}


def timed(run, one, other, count):
    start = process_time()
    for _ in range(count):
        run(one)
        run(other)
    return process_time() - start


# --- what is measured -----------------------------------------------------------------------------


def peers():
    """Return what else can evaluate the condition here, and what cannot."""
    inputs = [cel_input("ana"), cel_input("bob")]
    found, lacking = {}, []
    try:
        import cel
    except ImportError:
        lacking.append("common-expression-language is not installed")
    else:
        program = cel.compile(CEL_CONDITION)
        contexts = [cel.Context(each) for each in inputs]
        assert [program.execute(each) for each in inputs] == [True, False]
        found[RUST_CEL] = (program.execute, inputs)
        found["common-expression-language (Rust), context"] = (program.execute, contexts)
    try:
        import celpy
    except ImportError:
        lacking.append("cel-python is not installed")
    else:
        environment = celpy.Environment()
        # It has no `map != null`.
        condition = CEL_CONDITION.replace("request.auth != null", "has(request.auth.uid)")
        program = environment.program(environment.compile(condition))
        values = [
            {name: celpy.json_to_cel(json.loads(json.dumps(value))) for name, value in each.items()}
            for each in inputs
        ]
        assert [bool(program.evaluate(each)) for each in values] == [True, False]
        found[PYTHON_CEL] = (program.evaluate, values)
    return found, lacking


def compare_one_decision():
    """Return microseconds by who decides, and who cannot."""
    one = loaded(ruleset(1))

    def decide(asked):
        return one.decide(asked, NO_DOCUMENTS).allowed

    asked = [request(Method.UPDATE, "c0"), request(Method.UPDATE, "c0", "bob")]
    assert [decide(each) for each in asked] == [True, False]
    found, lacking = peers()
    return side_by_side({OURS: (decide, asked), **found}), lacking


def print_one_decision():
    times, lacking = compare_one_decision()
    print("auth != null && uid == owner && keys().hasOnly([...]), allowed and denied in turn:")
    for name, each in times.items():
        print(f"  {name:<46}{each:>9.2f} µs   {each / times[OURS]:>7.2f}")
    for each in lacking:
        print(f"  {each}: pip install -e '.[bench]'")


def more_decisions():
    overlapping = rules(
        "match /{all=**} { allow read: if false; }\n"
        "match /{c}/{id} { allow read: if c == 'public'; }\n"
        "match /notes/{id} { allow write: if false; }\n"
        f"match /notes/{{id}} {{ allow get, update: if {CONDITION}; }}\n"
        "match /{p=**}/notes/{id} { allow get: if request.auth.token.admin == true; }"
    )
    lists = rules(
        "match /notes/{id} { allow list: if request.auth != null"
        " && resource.data.owner == request.auth.uid && request.query.limit <= 50; }"
    )
    looks = rules(
        "function role() { return get(/databases/$(db)/documents/users/$(request.auth.uid))"
        ".data.role; }\n"
        "match /notes/{id} { allow update: if role() in ['editor', 'admin']; }"
    )
    by_owner = QueryConstraint(("owner",), Comparator.EQ, "ana")
    query = RulesQuery(collection_id="notes", limit=20, disjuncts=((by_owner,),))
    documents = Documents()
    calls = {
        "five overlapping matches, update": (overlapping, Method.UPDATE, None),
        "a list by owner, with a limit": (lists, Method.LIST, query),
        "a rule that looks a document up": (looks, Method.UPDATE, None),
    }
    timed_calls = {}
    for name, (made, method, its_query) in calls.items():
        asked = [request(method, "notes", uid, its_query) for uid in ("ana", "bob")]
        allowed = [made.decide(each, documents).allowed for each in asked]
        assert allowed == [True, False], (name, allowed)
        timed_calls[name] = (lambda each, made=made: made.decide(each, documents), asked)
    for name, each in side_by_side(timed_calls).items():
        print(f"{name + ':':<48}{each:>9.2f} µs   {1e6 / each:>9,.0f} a second")


def large_rulesets():
    """Return the lines of a large ruleset, milliseconds to load it, and microseconds of the first
    decision after that, of the first one in each other part, and of the same one again.
    """
    text = ruleset(COLLECTIONS)
    deep = request(Method.UPDATE, f"c{COLLECTIONS - 1}")
    loads, firsts = [], []
    for _ in range(LOADS):
        start = process_time()
        large = loaded(text)
        loads.append((process_time() - start) * 1000)
        start = process_time()
        assert large.decide(deep, NO_DOCUMENTS).allowed
        firsts.append((process_time() - start) * 1e6)
    others = []
    for number in range(100):
        other = request(Method.UPDATE, f"c{number}")
        start = process_time()
        assert large.decide(other, NO_DOCUMENTS).allowed
        others.append((process_time() - start) * 1e6)
    warm = side_by_side({"": (lambda each: large.decide(each, NO_DOCUMENTS), (deep, deep))})[""]
    return text.count("\n") + 1, loads, firsts, others, warm


def print_large_rulesets():
    lines, loads, firsts, others, warm = large_rulesets()
    print(f"load {lines:,} lines: {median(loads):.0f} ms (best {min(loads):.0f})")
    print(
        f"one decision deep in it: {median(firsts):.0f} µs right after loading"
        f" (best {min(firsts):.0f}), {median(others):.0f} µs the first time for another"
        f" collection, then {warm:.2f} µs"
    )


def rows():
    times, lacking = compare_one_decision()
    ours, rust, slow = times[OURS], times.get(RUST_CEL), times.get(PYTHON_CEL)
    notes = [f"cel-python {slow:,.0f} µs"] if slow is not None else []
    yield Row(
        "rules: one decision in process (peer: Rust-backed CEL)",
        ours,
        "µs",
        rust,
        f"at most {DECISION_TARGET_US} µs and faster than CEL",
        ours <= DECISION_TARGET_US and ours < rust if rust is not None else None,
        "; ".join([*notes, *lacking]),
    )
    lines, loads, firsts, others, warm = large_rulesets()
    load, first = median(loads), median(firsts)
    yield Row(
        f"ruleset of {lines:,} lines: load",
        load,
        "ms",
        target=f"under {LOAD_TARGET_MS} ms",
        met=load < LOAD_TARGET_MS,
        note=f"best {min(loads):.0f} ms",
    )
    yield Row(
        "the first decision deep in it",
        first,
        "µs",
        target=f"under {FIRST_TARGET_US} µs",
        met=first < FIRST_TARGET_US,
        note=f"best {min(firsts):.0f} µs; {median(others):.0f} µs the first time elsewhere, "
        f"then {warm:.1f} µs",
    )


def main():
    if "--json" in sys.argv:
        run_part(rows)
        return
    print_one_decision()
    more_decisions()
    print_large_rulesets()


if __name__ == "__main__":
    main()
