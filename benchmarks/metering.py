"""What metering costs: requests with the meter, and with it taken out, in turns.

First in process, the whole way from the bytes of a request to those of its answer, where only the
sockets are missing: there the difference is not lost in what else the machine does. Then through
two servers of the same code, per second of their CPU time.
"""

import asyncio
import contextlib
import struct
from collections import Counter
from statistics import median
from time import thread_time

import uvloop

from benchmarks.large import LIMIT, load_small, small_documents
from benchmarks.measuring import Row, run_part
from benchmarks.messages import commit_all, commits, get, query
from benchmarks.raw_client import load
from benchmarks.servers import start_ours
from benchmarks.unmetered_server import without_meter
from harness.backend.databases import Backend
from harness.firestore.index_definitions import IndexDefinitions
from harness.server.grpc import GrpcService
from harness.server.http2 import PREFACE, Http2Connection, frame
from harness.server.rpcs import FirestoreRpcs
from harness.server.shell import Shell

DOCUMENTS = 64
QUERIED = 1_000
TARGET = 0.10

IN_PROCESS_ROUNDS = 60
REQUESTS = 100

SERVER_ROUNDS = 24
SECONDS = 0.4
CLIENTS = 8


def operations():
    return {
        "commit": commits(DOCUMENTS),
        "get": [get(f"c/{number}") for number in range(DOCUMENTS)],
        "query of 20": [query(f"s{QUERIED}", "k", number, LIMIT) for number in range(40)],
    }


def rows():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        in_process = runner.run(measure_in_process())
    for what, times in in_process.items():
        cost = 1 - times["off"] / times["on"]
        yield Row(
            f"metering on, {what} in process (peer: off)",
            times["on"],
            "µs",
            times["off"],
            f"costs under {TARGET:.0%} of the throughput",
            cost < TARGET,
            f"costs {cost:.1%}",
        )
    yield from through_servers()


# --- in process -----------------------------------------------------------------------------------


class Nowhere(asyncio.Transport):
    """A connection whose client does not listen."""

    writes = 0

    def write(self, data):
        self.writes += 1

    def is_closing(self):
        return False

    def get_write_buffer_size(self):
        return 0


class Client:
    """Sends requests to a server in this process."""

    def __init__(self):
        service = GrpcService(FirestoreRpcs(Shell(Backend(IndexDefinitions()))), (), None)
        self._transport = Nowhere()
        self._connection = Http2Connection(service.make_handler, lambda: None)
        self._connection.connection_made(self._transport)
        window = frame(8, 0, 0, struct.pack(">I", 2**31 - 1 - 65_535))
        self._connection.data_received(PREFACE + frame(4, 0, 0) + window)
        self._stream_id = 1

    async def call(self, frames):
        block, body = frames
        if self._stream_id == 1:
            block = b"\x20" + block  # no table, as raw_client.py has it
        before = self._transport.writes
        self._connection.data_received(
            frame(1, 4, self._stream_id, block) + frame(0, 1, self._stream_id, body)
        )
        self._stream_id += 2
        while self._transport.writes == before:
            await asyncio.sleep(0)


async def measure_in_process():
    client = Client()
    for batch in small_documents(QUERIED, 25):
        await client.call(commit_all(batch).frames(0))
    found = {}
    for what, requests in operations().items():
        ready = [each.frames(0) for each in requests]
        times = {"on": [], "off": []}
        for number in range(IN_PROCESS_ROUNDS):
            for name in list(times)[:: 1 if number % 2 else -1]:
                with without_meter() if name == "off" else contextlib.nullcontext():
                    begun = thread_time()
                    for place in range(REQUESTS):
                        await client.call(ready[place % len(ready)])
                    times[name].append((thread_time() - begun) / REQUESTS * 1e6)
        found[what] = {name: median(each) for name, each in times.items()}
    return found


# --- through servers ------------------------------------------------------------------------------


def through_servers():
    servers = {"on": start_ours(), "off": start_ours(module="benchmarks.unmetered_server")}
    try:
        for server in servers.values():
            load_small(server, QUERIED)
        for what, requests in operations().items():
            rates = per_cpu_second(servers, requests)
            cost = 1 - rates["on"] / rates["off"]
            yield Row(
                f"metering on, {what} through a server (peer: off)",
                rates["on"],
                "/CPU s",
                rates["off"],
                note=f"costs {cost:.1%}",
            )
    finally:
        for server in servers.values():
            server.stop()


def per_cpu_second(servers, requests):
    """Return how many requests each server answers in a second of CPU time: what it would answer if
    it had a processor to itself, which on a shared machine it has not.
    """
    used, answered = Counter(), Counter()
    for number in range(SERVER_ROUNDS):
        for name in list(servers)[:: 1 if number % 2 else -1]:
            server = servers[name]
            before = server.cpu_s()
            answered[name] += load(server.port, requests, SECONDS, CLIENTS)["requests"]
            used[name] += server.cpu_s() - before
    return {name: answered[name] / used[name] for name in servers}


if __name__ == "__main__":
    run_part(rows)
