"""A workflow document of 2,000 items: parse it, tick one, write it."""

import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from harness.files import read_text_file, write_text_file
from harness.workflow.document import parse_workflow
from harness.workflow.edit import set_ticks

ITEMS = 2_000
RUNS = 15


def document():
    lines = ["# Workflow", ""]
    for number in range(ITEMS):
        if number % 20 == 0:
            lines += ["", f"## Section {number // 20}", ""]
        lines.append(f"- [ ] Item {number} of the feature, with some words to it")
    return "\n".join(lines) + "\n"


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workflow.md"
        path.write_text(document())
        times = []
        for run in range(RUNS):
            start = perf_counter()
            parsed = parse_workflow(read_text_file(path))
            ticked = set_ticks(parsed, {parsed.items[run].item_id: True})
            write_text_file(path, ticked)
            times.append((perf_counter() - start) * 1000)
        print(
            f"parse, tick one of {ITEMS:,}, write: {median(times):.1f} ms (best {min(times):.1f})"
        )


if __name__ == "__main__":
    main()
