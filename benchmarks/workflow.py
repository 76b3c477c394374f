"""A workflow document of 2,000 items: parse it, tick one, write it."""

import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from benchmarks.measuring import Row, run_part
from harness.files import read_text_file, write_text_file
from harness.workflow.document import parse_workflow
from harness.workflow.edit import set_ticks

ITEMS = 2_000
RUNS = 15
TARGET_MS = 20


def document():
    lines = ["# Workflow", ""]
    for number in range(ITEMS):
        if number % 20 == 0:
            lines += ["", f"## Section {number // 20}", ""]
        lines.append(f"- [ ] Item {number} of the feature, with some words to it")
    return "\n".join(lines) + "\n"


def rows():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workflow.md"
        path.write_text(document())
        times, cpu_times = [], []
        for run in range(RUNS):
            start, cpu_start = perf_counter(), process_time()
            parsed = parse_workflow(read_text_file(path))
            ticked = set_ticks(parsed, {parsed.items[run].item_id: True})
            write_text_file(path, ticked)
            times.append((perf_counter() - start) * 1000)
            cpu_times.append((process_time() - cpu_start) * 1000)
    yield Row(
        f"workflow document of {ITEMS:,} items: parse, tick one, write",
        median(times),
        "ms",
        target=f"under {TARGET_MS} ms",
        met=median(times) < TARGET_MS,
        note=f"best {min(times):.1f} ms; CPU {median(cpu_times):.1f} ms",
    )


if __name__ == "__main__":
    run_part(rows)
