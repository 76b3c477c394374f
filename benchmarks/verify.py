"""`harness verify` on the sample backend, beyond the suite's own start. It takes minutes."""

import subprocess
import sys
from time import perf_counter

from benchmarks.measuring import Row, in_turns, missing, run_part
from benchmarks.servers import NotMeasured

ROUNDS = 3
LIMIT_S = 600
STOP_LIMIT_S = 60
TARGET_S = 15
WHAT = "harness verify on the sample backend, beyond the suite's own start"
SUITE = ("emulators", "exec", "--", sys.executable, "-c", "pass")
VERIFY = ("verify", "--no-tick")


def rows():
    try:
        found = in_turns(ROUNDS, {"suite": lambda: run(SUITE), "verify": lambda: run(VERIFY)})
    except NotMeasured as error:
        yield missing(WHAT, error, f"under {TARGET_S} s")
        return
    beyond = found["verify"] - found["suite"]
    yield Row(
        WHAT,
        beyond,
        "s",
        target=f"under {TARGET_S} s",
        met=beyond < TARGET_S,
        note=f"{found['verify']:.0f} s in all, {found['suite']:.0f} s for the suite alone",
    )


def run(arguments):
    begun = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        output, errors = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.terminate()  # so that it ends the suite
        process.wait(STOP_LIMIT_S)
        raise NotMeasured(f"harness {arguments[0]} was not done within {LIMIT_S} s") from None
    # 1: an item of the sample backend is not verified, which takes as long.
    if process.returncode not in (0, 1):
        raise NotMeasured((errors.strip() or output.strip()).splitlines()[-1])
    return perf_counter() - begun


if __name__ == "__main__":
    run_part(rows)
