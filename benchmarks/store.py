"""How fast the store is by itself: no rules, no queries, no wire."""

import gc
import statistics
import time

import psutil

from harness.firestore.documents import FieldTransform, TransformKind, Write, WriteKind
from harness.firestore.keys import path_key, value_key
from harness.firestore.paths import (
    DatabaseName,
    FieldPath,
    ResourcePath,
    document_name,
    parse_document_name,
)
from harness.firestore.store import Database
from harness.firestore.values import Timestamp

DOCUMENTS = 100_000
BATCH = 500
ROUNDS = 5


def megabytes():
    return psutil.Process().memory_info().rss / 1e6


def kilobyte_fields(number):
    """Ten fields of about 1 KB, as an app's documents are: no two documents share a string."""
    return {
        "title": f"Document number {number}",
        "owner": f"user-{number % 1000}",
        "rank": number,
        "score": number / 7,
        "done": number % 2 == 0,
        "created": Timestamp(1_700_000_000_000_000 + number),
        "tags": (f"tag-{number % 10}", f"tag-{number % 7}"),
        "place": {"city": f"city-{number % 50}", "zip": number % 9999},
        "body": f"{number:08d}" * 50,
        "notes": f"{number:06d}" * 60,
    }


def update(path, fields):
    return Write(WriteKind.UPDATE, ResourcePath(path), fields)


def report(name, count, seconds):
    print(f"{name:<44} {count / seconds:>12,.0f} /s {seconds / count * 1e6:>10.2f} us")


def repeat(name, count, run):
    """Print the median of some rounds; `run` gets the numbers of its operations."""
    times = []
    for round_number in range(ROUNDS):
        start = time.perf_counter()
        run(range(round_number * count, (round_number + 1) * count))
        times.append(time.perf_counter() - start)
    report(name, count, statistics.median(times))


def main():
    before = megabytes()
    database = Database(DatabaseName("demo-bench"))
    clock = 1_000_000
    start = time.perf_counter()
    for first in range(0, DOCUMENTS, BATCH):
        writes = [
            update(f"documents/{number:06d}", kilobyte_fields(number))
            for number in range(first, first + BATCH)
        ]
        clock += 1000
        database.commit(database.prepare(writes, Timestamp(clock)))
    report(f"load {DOCUMENTS:,} of 1 KB, {BATCH} a commit", DOCUMENTS, time.perf_counter() - start)
    gc.collect()
    print(f"{'resident memory for them':<44} {megabytes() - before:>12,.0f} MB")

    paths = [ResourcePath(f"documents/{number:06d}") for number in range(0, DOCUMENTS, 10)]

    def get(numbers):
        for number in numbers:
            database.get(paths[number % len(paths)])

    repeat("get", 100_000, get)

    def commit_one(numbers):
        for number in numbers:
            write = update(f"small/{number}", {"a": number, "b": "x" * 20, "c": True})
            database.commit(database.prepare([write], Timestamp(clock)))

    repeat("commit of one new small document", 10_000, commit_one)

    def commit_large(numbers):
        for number in numbers:
            write = update(paths[number % len(paths)], kilobyte_fields(-number))
            database.commit(database.prepare([write], Timestamp(clock)))

    repeat("commit over one document of 1 KB", 5_000, commit_large)

    increment = (FieldTransform(FieldPath(("rank",)), TransformKind.INCREMENT, 1),)

    def commit_transform(numbers):
        for number in numbers:
            path = paths[number % 10]
            write = Write(WriteKind.UPDATE, path, None, (), increment)
            database.commit(database.prepare([write], Timestamp(clock)))

    repeat("commit of an increment in 1 KB", 5_000, commit_transform)

    at = database.last_commit_time
    commit_transform(range(1000))

    def get_past(numbers):
        for number in numbers:
            database.get(paths[number % 10], at)

    repeat("get in the past of a busy document", 20_000, get_past)

    names = [document_name(database.name, path) for path in paths]

    def parse(numbers):
        for number in numbers:
            parse_document_name(names[number % len(names)])

    repeat("parse_document_name", 50_000, parse)

    for name, value in {
        "integer": 12345,
        "double": 1.5,
        "string of 20": "abcdefghij" * 2,
        "map of two": {"city": "Berlin", "zip": 10115},
    }.items():

        def key(numbers, value=value):
            for _ in numbers:
                value_key(value)

        repeat(f"value_key of {name}", 100_000, key)

    def key_of_path(numbers):
        for number in numbers:
            path_key(paths[number % len(paths)])

    repeat("path_key", 100_000, key_of_path)

    start = time.perf_counter()
    count = len(database.clear(Timestamp(clock)).changes)
    report(f"clear of {count:,}", count, time.perf_counter() - start)


if __name__ == "__main__":
    main()
