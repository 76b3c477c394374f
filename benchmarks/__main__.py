"""Measures everything that has a target and prints one table: `python -m benchmarks [PART ...]`.

Each part runs in a process of its own, so that none leaves the next a warmer or a fuller one.
"""

import json
import subprocess
import sys
from datetime import date
from time import perf_counter

from benchmarks.measuring import Row, machine, table
from benchmarks.servers import PEER, peer_lacks

PARTS = ("start", "throughput", "large", "listening", "rules", "workflow", "metering")
ON_REQUEST = ("verify",)
DETAILS = ("store", "queries")
"""Programs of their own that print more, of the cores in process."""
LIMIT_S = 3600


def main():
    chosen = sys.argv[1:] or PARTS
    known = (*PARTS, *ON_REQUEST)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        details = ", ".join(f"python -m benchmarks.{name}" for name in DETAILS)
        print(f"no part named {', '.join(unknown)}: choose from {', '.join(known)}; or {details}")
        return 2
    found = []
    for name in chosen:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        begun = perf_counter()
        found += measured(name)
        print(f"  {perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    lacking = peer_lacks()
    print(f"{date.today()}, {machine()}. Medians of rounds in turns; the machine may be shared.")
    print(f"Peer: {PEER}" + (f", not measured: {lacking}" if lacking else ""))
    print("Ratio: how many times as good as the peer.\n")
    print(table(found))
    if "verify" not in chosen:
        print("\nharness verify: not measured, it takes minutes: make bench PARTS=verify")
    return 0


def measured(name):
    """Return the rows of a part, and one that says so where it has failed."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        output, failed = done.stdout, done.returncode != 0
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
    except subprocess.TimeoutExpired as error:
        output, failed = error.stdout or "", True
        output = output.decode() if isinstance(output, bytes) else output
        reason = [f"not done within {LIMIT_S} s"]
    rows = [Row(**json.loads(line)) for line in output.splitlines() if line.startswith("{")]
    if failed:
        rows.append(Row(f"{name}: the rest", None, note=reason[0][:200]))
    return rows


if __name__ == "__main__":
    sys.exit(main())
