"""Collections of up to 100,000 documents: loading them, and queries that must not feel their size.

All by the published Python client, whose own time is in every figure. The peer takes the longer
for each write the more documents there are, so it is only given as many as it takes in a minute;
what it would do with more is not claimed.
"""

from datetime import UTC, datetime
from time import perf_counter

from google.cloud.firestore import FieldFilter

from benchmarks.measuring import Row, figure, in_turns, run_part
from benchmarks.messages import commit_all, kilobyte_fields, query
from benchmarks.raw_client import Connection
from benchmarks.servers import NotMeasured, both, peer_lacks, start_repeating
from harness.emulators.firestore_client import firestore_client

DOCUMENTS = 100_000
BATCH = 500
PEER_DOCUMENTS = 4_000

SIZES = (1_000, 10_000, 100_000)
PEER_SIZES = (1_000,)
SMALL_BATCH = 100
LOAD_LIMIT_S = 45
LIMIT = 20
MATCHES = 25
"""Documents that the filter finds, however many there are."""
ROUNDS = 15

LOAD_TARGET_S, MEMORY_TARGET_MB = 60, 600
QUERY_TARGET_MS, FLAT_TARGET, COUNT_TARGET_MS = 3, 1.3, 10
COMMIT_LIMIT_S = 60


def rows():
    with both() as servers:
        clients = {
            name: firestore_client(server.address, "demo-bench") for name, server in servers.items()
        }
        yield from side_by_side(clients)
        yield from load_all(servers["ours"], clients["ours"])
        yield from queries(servers, clients)


def load(client, collection, documents):
    """Load documents; return the seconds that each quarter took."""
    quarters, per_quarter = [], documents // 4
    for first in range(0, documents, per_quarter):
        begun = perf_counter()
        for batch_start in range(first, first + per_quarter, BATCH):
            batch = client.batch()
            end = min(batch_start + BATCH, first + per_quarter)
            for number in range(batch_start, end):
                batch.set(client.document(f"{collection}/{number:06d}"), fields(number))
            batch.commit(timeout=COMMIT_LIMIT_S)
        quarters.append(perf_counter() - begun)
    return quarters


def fields(number):
    """About 1 KB, as the client takes it."""
    made = kilobyte_fields(number)
    made["created"] = datetime.fromtimestamp(made["created"].micros / 1e6, UTC)
    made["tags"] = list(made["tags"])
    return made


def side_by_side(clients):
    what = f"loading {PEER_DOCUMENTS:,} documents of 1 KB, {BATCH} a batch"
    taken, note = {}, peer_lacks() or ""
    for name, client in clients.items():
        begun = perf_counter()
        quarters = load(client, f"c{PEER_DOCUMENTS}", PEER_DOCUMENTS)
        taken[name] = perf_counter() - begun
        growth = quarters[-1] / quarters[0]
        note += f"{'; ' if note else ''}{name}: last quarter {growth:.1f} times the first"
    yield Row(what, taken["ours"], "s", taken.get("peer"), note=note)


def load_all(server, client):
    begun, cpu = perf_counter(), server.cpu_s()
    quarters = load(client, f"c{DOCUMENTS}", DOCUMENTS)
    taken = perf_counter() - begun
    used = server.cpu_s() - cpu
    yield Row(
        f"loading {DOCUMENTS:,} documents of 1 KB, {BATCH} a batch",
        taken,
        "s",
        target=f"under {LOAD_TARGET_S} s, linear",
        met=taken < LOAD_TARGET_S and quarters[-1] < FLAT_TARGET * quarters[0],
        note="quarters "
        + " ".join(f"{each:.1f}" for each in quarters)
        + f" s; server {used:.0f} s",
    )
    resident = server.rss_mb()
    yield Row(
        "resident memory of the server with them",
        resident,
        "MB",
        target=f"under {MEMORY_TARGET_MB} MB",
        met=resident < MEMORY_TARGET_MB,
    )


def queries(servers, clients):
    ours = servers["ours"]
    measures = {}
    connection = Connection(ours.port)
    for documents in SIZES:
        load_small(ours, documents)
        measures[documents] = lambda documents=documents: where(clients["ours"], documents)
        measures[documents]()  # builds the index
        frames = query(f"s{documents}", "k", 3, LIMIT).frames(ours.port)
        measures["raw", documents] = lambda frames=frames: timed(lambda: connection.call(frames))
    asked = f"s{SIZES[0]}"
    repeating = start_repeating(ours.address, asked, str(LIMIT))
    idle = firestore_client(repeating.address, "demo-bench")
    measures["repeated"] = lambda: where(idle, SIZES[0])
    if "peer" in clients:
        for documents in PEER_SIZES:
            load_small(servers["peer"], documents)
            measures["peer", documents] = lambda each=documents: where(clients["peer"], each)
    found = in_turns(ROUNDS, measures)
    connection.close()
    idle.close()
    repeating.stop()
    for documents in SIZES:
        growth = found[documents] / found[SIZES[0]]
        yield Row(
            f"where == and limit 20 of {documents:,} documents",
            found[documents],
            "ms",
            found.get(("peer", documents)),
            f"under {QUERY_TARGET_MS} ms, flat within {FLAT_TARGET}",
            found[documents] < QUERY_TARGET_MS and growth <= FLAT_TARGET,
            f"{growth:.2f} times that of {SIZES[0]:,}; without the client "
            f"{figure(found['raw', documents], 'ms')}",
        )
    yield Row(
        "the same 20 documents, said again by a server that does nothing else",
        found["repeated"],
        "ms",
        note="gRPC's C core: the client's own time, and the way",
    )
    yield from counts(clients)


def small_documents(documents, size):
    """Yield batches of fields by path: documents as small as most are."""
    for first in range(0, documents, size):
        yield {
            f"s{documents}/{number:06d}": {
                "k": number % (documents // MATCHES),
                "n": number,
                "name": f"user-{number:06d}",
                "owner": f"u{number % 97}",
                "tags": ("a", "b"),
                "nested": {"x": number, "y": 1.5},
            }
            for number in range(first, first + size)
        }


def load_small(server, documents):
    """Load small documents by the client that costs nothing."""
    connection = Connection(server.port)
    begun = perf_counter()
    for batch in small_documents(documents, SMALL_BATCH):
        connection.call(commit_all(batch).frames(server.port))
        if perf_counter() - begun > LOAD_LIMIT_S:
            raise NotMeasured(f"{server.name} has not loaded {documents:,} in {LOAD_LIMIT_S} s")
    connection.close()


def counts(clients):
    least, most = PEER_SIZES[-1], SIZES[-1]
    measures = {name: lambda name=name: count(clients[name], least) for name in clients}
    measures["large"] = lambda: count(clients["ours"], most)
    found = in_turns(ROUNDS, measures)
    yield Row(f"count() of {least:,}", found["ours"], "ms", found.get("peer"))
    yield Row(
        f"count() of {most:,}",
        found["large"],
        "ms",
        target=f"under {COUNT_TARGET_MS} ms",
        met=found["large"] < COUNT_TARGET_MS,
    )


def where(client, documents):
    wanted = client.collection(f"s{documents}").where(filter=FieldFilter("k", "==", 3)).limit(LIMIT)

    def run():
        found = len(list(wanted.stream()))
        assert found == LIMIT, found

    return timed(run)


def count(client, documents):
    wanted = client.collection(f"s{documents}").count()

    def run():
        found = wanted.get()[0][0].value
        assert found == documents, found

    return timed(run)


def timed(run):
    begun = perf_counter()
    run()
    return (perf_counter() - begun) * 1000


if __name__ == "__main__":
    run_part(rows)
