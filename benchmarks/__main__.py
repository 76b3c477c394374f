"""Runs every benchmark, each in a process of its own: `python -m benchmarks [NAME ...]`."""

import subprocess
import sys

BENCHMARKS = ("workflow", "rules", "store", "queries", "server")
LIMIT_S = 900


def main() -> int:
    chosen = sys.argv[1:] or BENCHMARKS
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark named {', '.join(unknown)}: choose from {', '.join(BENCHMARKS)}")
        return 2
    for name in chosen:
        print(f"\n== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], timeout=LIMIT_S, check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
