"""The embedded Firestore as a process: its start, and single gets and sets by the Python client."""

import socket
import subprocess
import sys
from statistics import median
from time import perf_counter, sleep

from harness.emulators.firestore_client import firestore_client

STARTS = 5
OPERATIONS = 400
LIMIT_S = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start():
    """Start a server; return it, its port, and the milliseconds until it accepted."""
    port = free_port()
    begun = perf_counter()
    command = [sys.executable, "-m", "harness.server", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while perf_counter() - begun < LIMIT_S:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            sleep(0.002)
        else:
            return process, port, (perf_counter() - begun) * 1000
    process.kill()
    raise TimeoutError(f"the server did not accept connections within {LIMIT_S} s")


def per_second(operation):
    times = []
    for number in range(OPERATIONS):
        begun = perf_counter()
        operation(number)
        times.append(perf_counter() - begun)
    return 1 / median(times)


def main():
    starts = []
    for _ in range(STARTS):
        process, _, milliseconds = start()
        starts.append(milliseconds)
        process.terminate()
        process.wait(LIMIT_S)
    print(f"start to port accepting: {median(starts):.0f} ms (best {min(starts):.0f})")

    process, port, _ = start()
    try:
        client = firestore_client(f"127.0.0.1:{port}", "demo-bench")
        documents = [client.document(f"c/{number}") for number in range(50)]
        begun = perf_counter()
        documents[0].set({"n": 0})
        first = (perf_counter() - begun) * 1000
        sets = per_second(lambda number: documents[number % 50].set({"n": number}))
        gets = per_second(lambda number: documents[number % 50].get())
        print(f"first request {first:.1f} ms, client's own connection included")
        print(f"by the published Python client: {sets:,.0f} sets/s, {gets:,.0f} gets/s")
    finally:
        process.terminate()
        process.wait(LIMIT_S)


if __name__ == "__main__":
    main()
