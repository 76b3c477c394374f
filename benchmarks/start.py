"""How soon the servers accept connections, and what their first request costs beside the tenth.

The first request is a commit on a connection that is open already: opening it is the client's. Each
makes a document of its own, so that all have the same to do, and comes a moment after the one
before, since any request that wakes a process up is slower than one of many in a row.
"""

from statistics import median
from time import perf_counter, sleep

from benchmarks.measuring import Row, in_turns, run_part
from benchmarks.messages import SMALL, commit
from benchmarks.raw_client import Connection
from benchmarks.servers import peer_lacks, start_ours, start_peer

ROUNDS = 9
REQUESTS = 10
START_TARGET_MS = 400
PAUSE_S = 0.02


def rows():
    found = {}
    servers = {"ours": start_ours} | ({"peer": start_peer} if peer_lacks() is None else {})
    for name in servers:
        found[name] = {"start": [], "cpu": [], "first": [], "tenth": []}

    def measure(name):
        server = servers[name]()
        try:
            times = request_times(server.port)
            each = found[name]
            each["start"].append(server.start_ms)
            each["cpu"].append(server.cpu_s() * 1000)
            each["first"].append(times[0])
            each["tenth"].append(times[-1])
        finally:
            server.stop()
        return server.start_ms

    in_turns(ROUNDS, {name: lambda name=name: measure(name) for name in servers})
    start = {name: median(each["start"]) for name, each in found.items()}
    first = {name: median(each["first"]) for name, each in found.items()}
    tenth = {name: median(each["tenth"]) for name, each in found.items()}
    cpu = {name: median(each["cpu"]) for name, each in found.items()}
    best = min(found["ours"]["start"])
    yield Row(
        "start to port accepting",
        start["ours"],
        "ms",
        start.get("peer"),
        f"under {START_TARGET_MS} ms",
        start["ours"] < START_TARGET_MS,
        f"best {best:.0f} ms; CPU {cpu['ours']:.0f} ms"
        + (f", peer's {cpu['peer']:.0f} ms" if "peer" in cpu else f"; {peer_lacks()}"),
    )
    yield Row(
        "first request after the start",
        first["ours"],
        "ms",
        first.get("peer"),
        "no slower than the tenth",
        first["ours"] <= tenth["ours"],
        f"tenth {tenth['ours']:.2f} ms"
        + (f", peer's {tenth['peer']:.2f} ms" if "peer" in tenth else ""),
    )


def request_times(port):
    """Return what each of the first requests took, in milliseconds."""
    connection = Connection(port)
    connection.settle()
    times = []
    for number in range(REQUESTS):
        frames = commit(f"c/{number}", SMALL).frames(port)
        sleep(PAUSE_S)
        begun = perf_counter()
        connection.call(frames)
        times.append((perf_counter() - begun) * 1000)
    connection.close()
    return times


if __name__ == "__main__":
    run_part(rows)
