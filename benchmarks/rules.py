"""A decision in process, and loading a large ruleset."""

from statistics import median
from time import perf_counter

from harness.rules.request import FIRESTORE, Method, RulesAuth, RulesRequest, RulesResource
from harness.rules.ruleset import load_ruleset
from harness.rules.runtime import NO_DOCUMENTS
from harness.rules.values import RulesPath, RulesTimestamp
from harness.source import SourceText

CONDITION = (
    "request.auth != null && request.auth.uid == resource.data.owner"
    " && request.resource.data.keys().hasOnly(['owner', 'title', 'done'])"
)
COLLECTIONS = 375
CALLS = 20_000
ROUNDS = 9


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


def update_of(collection):
    path = ("databases", "(default)", "documents", collection, "1")
    data = {"owner": "ana", "title": "t", "done": False}
    document = RulesResource(data, RulesPath(path))
    return RulesRequest(
        service=FIRESTORE,
        method=Method.UPDATE,
        path=path,
        auth=RulesAuth("ana", {}),
        time=RulesTimestamp(0),
        resource=document,
        new_resource=document,
    )


def microseconds(call):
    times = []
    for _ in range(ROUNDS):
        start = perf_counter()
        for _ in range(CALLS):
            call()
        times.append((perf_counter() - start) / CALLS * 1e6)
    return median(times)


def main():
    small = load_ruleset(SourceText("small.rules", ruleset(1))).ruleset
    request = update_of("c0")
    assert small.decide(request, NO_DOCUMENTS).allowed
    print(f"one decision: {microseconds(lambda: small.decide(request, NO_DOCUMENTS)):.2f} µs")

    text = ruleset(COLLECTIONS)
    lines = text.count("\n") + 1
    times = []
    for _ in range(5):
        start = perf_counter()
        large = load_ruleset(SourceText("large.rules", text)).ruleset
        times.append((perf_counter() - start) * 1000)
    print(f"load {lines:,} lines: {median(times):.0f} ms (best {min(times):.0f})")

    deep = update_of(f"c{COLLECTIONS - 1}")
    start = perf_counter()
    assert large.decide(deep, NO_DOCUMENTS).allowed
    first = (perf_counter() - start) * 1e6
    warm = microseconds(lambda: large.decide(deep, NO_DOCUMENTS))
    print(f"one decision deep in it: {first:.0f} µs the first time, then {warm:.2f} µs")


if __name__ == "__main__":
    main()
