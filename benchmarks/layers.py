"""Where the server's processor time goes, by layer: `python -m benchmarks.layers`.

Each kind of request loads a server of its own, which looks at itself every two milliseconds of
processor time: by the clock, on a busy machine, all time would go where a process is made to wait.
A sample belongs to the innermost function of ours; what a library does for it is its own.
"""

import atexit
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

INTERVAL_S = 0.002
SECONDS = 6
DOCUMENTS = 64
QUERIED = 10_000
FILE = "HARNESS_BENCH_SAMPLES"

LOOP = "event loop, socket: read"
# The first that a frame contains decides.
LAYERS = {
    "harness/server/run.py": LOOP,
    "harness/server/__main__.py": LOOP,
    "harness/server/http2.py Http2Connection.write": "socket: write",
    "harness/server/http2.py Http2Connection._write_gathered": "socket: write",
    "harness/server/http2": "HTTP/2",
    "harness/server/grpc": "gRPC: calls, tasks, messages",
    "harness/server/at_once": "gRPC: calls, tasks, messages",
    "harness/server/wire": "messages to values and back",
    "harness/firestore/paths": "messages to values and back",
    "harness/server/listen": "listening",
    "harness/firestore/listen": "listening",
    "harness/server": "methods, clock, locks, faults",
    "harness/backend/metering": "metering",
    "harness/backend": "backend",
    "harness/firestore": "engine: documents, indexes, queries",
}


def main():
    from benchmarks.messages import commits, get, query

    documents = commits(DOCUMENTS)
    phases = {
        "get": [get(f"c/{number}") for number in range(DOCUMENTS)],
        "commit": documents,
        "query of 20": [query(f"s{QUERIED}", "k", number, 20) for number in range(DOCUMENTS)],
        "commit with a listener": documents,
    }
    found = {what: sampled(requests, "listener" in what) for what, requests in phases.items()}
    print("| layer | " + " | ".join(found) + " |")
    print("| --- |" + " ---: |" * len(found))
    for name in dict.fromkeys(LAYERS.values()):
        shares = [f"{counts[name] / counts.total():.0%}" for counts in found.values()]
        print(f"| {name} | " + " | ".join(shares) + " |")


def sampled(requests, has_listener):
    """Load a server that looks at itself; return samples by layer."""
    from benchmarks.large import load_small
    from benchmarks.listening import Listener
    from benchmarks.messages import commits
    from benchmarks.raw_client import load
    from benchmarks.servers import start_ours

    with tempfile.TemporaryDirectory() as folder:
        os.environ[FILE] = str(Path(folder) / "samples.json")
        server = start_ours(module="benchmarks.layers")
        try:
            load_small(server, QUERIED)
            load(server.port, commits(DOCUMENTS), 0.5, 1)
            listener = Listener(server, DOCUMENTS, "c") if has_listener else None
            server.process.send_signal(signal.SIGUSR1)  # counts from here on
            load(server.port, requests, SECONDS, 8)
            if listener is not None:
                listener.close()
        finally:
            server.stop()
        return Counter(json.loads(Path(os.environ[FILE]).read_text()))


# --- in the server --------------------------------------------------------------------------------


def watch_itself():
    counts = Counter()

    def sample(number, frame):
        counts[layer(frame)] += 1

    def begin(number, frame):
        counts.clear()
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)

    signal.signal(signal.SIGPROF, sample)
    signal.signal(signal.SIGUSR1, begin)
    atexit.register(lambda: Path(os.environ[FILE]).write_text(json.dumps(counts)))


def layer(frame):
    # A signal is only noticed where Python code goes on: at the beginning of a function it was
    # the caller's time, or the loop's.
    if frame is not None and frame.f_lineno == frame.f_code.co_firstlineno:
        frame = frame.f_back
    while frame is not None:
        code = frame.f_code
        text = f"{code.co_filename} {code.co_qualname}"
        for part, name in LAYERS.items():
            if part in text:
                return name
        frame = frame.f_back
    return LOOP


if __name__ == "__main__":
    if FILE in os.environ:
        watch_itself()
        from harness.server.__main__ import main as serve

        sys.exit(serve())
    main()
