"""Single gets and sets: by the published Python client, and by eight clients that cost nothing.

On a shared machine, requests a second say as much of who else is at work; requests a second of the
server's CPU time say what the server could do alone, if it uses one processor at a time.
"""

import base64
import itertools
import json
import subprocess
import sys
from statistics import median
from time import perf_counter

from benchmarks.measuring import Row, in_turns, run_part
from benchmarks.messages import SMALL, commits, get
from benchmarks.servers import NotMeasured, both, peer_lacks
from harness.emulators.firestore_client import firestore_client

DOCUMENTS = 64
CLIENT_ROUNDS = 15
CLIENT_OPERATIONS = 100
LOAD_ROUNDS = 7
LOAD_SECONDS = 1.5
CLIENTS = 8
CEILING_TARGET = 1.5


def rows():
    with both() as servers:
        yield from by_the_published_client(servers)
        yield from ceiling(servers)


def by_the_published_client(servers):
    documents = {}
    for name, server in servers.items():
        client = firestore_client(server.address, "demo-bench")
        documents[name] = [client.document(f"c/{number}") for number in range(DOCUMENTS)]
        for document in documents[name]:
            document.set(SMALL)

    def per_second(name, operation):
        begun = perf_counter()
        for number in range(CLIENT_OPERATIONS):
            operation(documents[name][number % DOCUMENTS])
        return CLIENT_OPERATIONS / (perf_counter() - begun)

    numbers = itertools.count()
    operations = {
        "get": lambda document: document.get(),
        "set": lambda document: document.set(SMALL | {"n": next(numbers)}),
    }
    for what, operation in operations.items():
        found = in_turns(
            CLIENT_ROUNDS,
            {
                name: lambda name=name, operation=operation: per_second(name, operation)
                for name in servers
            },
        )
        yield _row(
            f"{what} by the published Python client, 1 client", found, 1, "at least the peer's"
        )


def ceiling(servers):
    requests = {
        "get": [get(f"c/{number}") for number in range(DOCUMENTS)],
        "commit": commits(DOCUMENTS),
    }
    for what, each in requests.items():
        rounds = {name: [] for name in servers}
        for number in range(LOAD_ROUNDS):
            for name in list(servers)[:: 1 if number % 2 else -1]:
                rounds[name].append(loaded(servers[name], each))
        found = {
            unit: {name: median(pair[place] for pair in pairs) for name, pairs in rounds.items()}
            for place, unit in enumerate(("per_second", "per_cpu_second"))
        }
        yield _row(
            f"{what}, server ceiling, {CLIENTS} clients",
            found["per_second"],
            CEILING_TARGET,
            f"{CEILING_TARGET} times the peer's",
        )
        yield _row(
            "the same, per second of the server's CPU",
            found["per_cpu_second"],
            CEILING_TARGET,
            f"{CEILING_TARGET} times the peer's",
            unit="/CPU s",
        )


def loaded(server, requests):
    """Load a server for one round; return requests a second, and a second of its CPU."""
    before = server.cpu_s()
    done = load(server, requests)
    return done["per_second"], done["requests"] / (server.cpu_s() - before)


def load(server, requests, seconds=LOAD_SECONDS, clients=CLIENTS):
    """Have a process of its own load a server for a while; return what it reports.

    Raises:
        NotMeasured: It failed.
    """
    ready = [
        {"method": each.method, "message": base64.b64encode(each.message).decode()}
        for each in requests
    ]
    command = [sys.executable, "-m", "benchmarks.raw_client"]
    done = subprocess.run(
        [*command, str(server.port), str(seconds), str(clients)],
        input=json.dumps(ready),
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    if done.returncode:
        raise NotMeasured(f"{server.name}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def _row(what, found, times, target, unit="/s"):
    ours, peer = found["ours"], found.get("peer")
    met = None if peer is None else ours >= times * peer
    return Row(what, ours, unit, peer, target, met, peer_lacks() or "")


if __name__ == "__main__":
    run_part(rows)
