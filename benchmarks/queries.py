"""Times queries in process and prints milliseconds: `python benchmarks/queries.py`.

The median of many runs after the first, which builds the index and is printed apart.
"""

import argparse
from statistics import median
from time import perf_counter

from harness.firestore.documents import Write, WriteKind
from harness.firestore.engine import QueryEngine
from harness.firestore.listen import QueryTarget
from harness.firestore.paths import ROOT, DatabaseName, FieldPath, ResourcePath
from harness.firestore.query import (
    Aggregation,
    AggregationKind,
    CompositeFilter,
    CompositeOperator,
    FieldFilter,
    Operator,
    StructuredQuery,
)
from harness.firestore.store import Database
from harness.firestore.values import Timestamp

RUNS = 50
BATCH = 500
FILLER = "x" * 900  # documents of about 1 KB


def equals(field, value):
    return FieldFilter(FieldPath((field,)), Operator.EQUAL, value)


def load(documents):
    database = Database(DatabaseName("demo-bench"))
    started = perf_counter()
    for first in range(0, documents, BATCH):
        writes = [
            Write(
                WriteKind.UPDATE,
                ResourcePath(f"orders/o{i:07}"),
                {
                    "status": "open" if i % 10 == 0 else "closed",
                    "region": ("eu", "us", "asia", "sa")[i % 4],
                    "total": i % 1000,
                    "text": FILLER,
                },
            )
            for i in range(first, min(documents, first + BATCH))
        ]
        database.commit(database.prepare(writes, Timestamp(first + 1)))
    report(f"load in batches of {BATCH}", documents, (perf_counter() - started) * 1_000)
    return database


def report(what, documents, milliseconds):
    print(f"{what:44} {documents:>8,} documents {milliseconds:>10.3f} ms")


def timed(action):
    started = perf_counter()
    action()
    return (perf_counter() - started) * 1_000


def measure(what, documents, action):
    first = timed(action)
    report(what, documents, median(timed(action) for _ in range(RUNS)))
    report("  its first run", documents, first)


def queries(documents):
    engine = QueryEngine(load(documents))
    orders = StructuredQuery(ROOT, "orders")
    where = StructuredQuery(ROOT, "orders", where=equals("status", "open"), limit=20)
    both = CompositeFilter(
        CompositeOperator.AND, (equals("status", "open"), equals("region", "eu"))
    )
    merge = StructuredQuery(ROOT, "orders", where=both, limit=20)
    count = [Aggregation(AggregationKind.COUNT, "n")]
    filtered = StructuredQuery(ROOT, "orders", where=equals("status", "closed"))
    measure("where == limit 20", documents, lambda: engine.run_query(where))
    measure("two equalities merged, limit 20", documents, lambda: engine.run_query(merge))
    measure("count()", documents, lambda: engine.run_aggregation(orders, count))
    measure("count() where ==", documents, lambda: engine.run_aggregation(filtered, count))


def listeners(documents):
    database = load(documents)
    engine = QueryEngine(database)
    plain = QueryTarget(engine, StructuredQuery(ROOT, "orders"))
    limited = QueryTarget(engine, StructuredQuery(ROOT, "orders", limit=50))
    plain.initial()
    limited.initial()
    times = {"listener delivery": [], "listener delivery, limit 50": []}
    for i in range(500):
        path = ResourcePath(f"orders/o{i * 7 % documents:07}")
        write = Write(WriteKind.UPDATE, path, {"status": "open", "n": i})
        for what, target in zip(times, (plain, limited), strict=True):
            write = Write(WriteKind.UPDATE, path, {"status": what, "n": i})

            def deliver(target=target, write=write):
                target.on_commit(database.commit(database.prepare([write], Timestamp(1))))

            times[what].append(timed(deliver))
    for what, each in times.items():
        report(f"write and {what}", documents, median(each))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    most = parser.parse_args().documents
    for documents in (1_000, 10_000, 100_000):
        if documents <= most:
            queries(documents)
    listeners(min(most, 10_000))


if __name__ == "__main__":
    main()
