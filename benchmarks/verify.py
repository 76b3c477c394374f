"""`harness verify` on the sample backend, beyond the suite's own start. It takes minutes."""

import subprocess
import sys
from time import perf_counter

from benchmarks.measuring import Row, in_turns, run_part
from benchmarks.servers import NotMeasured

ROUNDS = 3
LIMIT_S = 300
TARGET_S = 15
SUITE = ("emulators", "exec", "--", sys.executable, "-c", "pass")
VERIFY = ("verify", "--no-tick")


def rows():
    found = in_turns(ROUNDS, {"suite": lambda: run(SUITE), "verify": lambda: run(VERIFY)})
    beyond = found["verify"] - found["suite"]
    yield Row(
        "harness verify on the sample backend, beyond the suite's own start",
        beyond,
        "s",
        target=f"under {TARGET_S} s",
        met=beyond < TARGET_S,
        note=f"{found['verify']:.0f} s in all, {found['suite']:.0f} s for the suite alone",
    )


def run(arguments):
    begun = perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    # 1: an item of the sample backend is not verified, which takes as long.
    if done.returncode not in (0, 1):
        raise NotMeasured((done.stderr.strip() or done.stdout.strip()).splitlines()[-1])
    return perf_counter() - begun


if __name__ == "__main__":
    run_part(rows)
