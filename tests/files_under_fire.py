"""Run by test_files.py in a process of its own: it forks writers, kills them, and looks at what
they left.

Prints one JSON object with what it saw.
"""

import json
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path

import harness.files
from harness.files import update_text_file, update_workflow
from harness.workflow.edit import set_ticks

OLD = "- [ ] old\n" * 20_000
NEW = "- [x] new\n" * 20_000


def in_child(path: Path, work) -> int:
    """Fork, do the work there, and return how the child ended."""
    pid = os.fork()
    if pid == 0:
        work(path)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def dying_at_line(number: int):
    """Work that updates the file and is killed before the given line of files.py runs."""
    lines = 0

    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename != harness.files.__file__:
            return None
        if event == "line":
            lines += 1
            if lines == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    def work(path: Path) -> None:
        sys.settrace(trace)
        update_text_file(path, lambda source: NEW)

    return work


def kill_at_every_line(path: Path) -> dict[str, object]:
    seen = Counter()
    number = 0
    while True:
        number += 1
        path.write_text(OLD)
        status = in_child(path, dying_at_line(number))
        text = path.read_text()
        seen["old" if text == OLD else "new" if text == NEW else "torn"] += 1
        if status == 0:
            break
    path.write_text(OLD)
    update_text_file(path, lambda source: NEW, lock_timeout_s=5)  # no lock outlived its holder
    return {"seen": seen, "files": sorted(entry.name for entry in path.parent.iterdir())}


def toggle_for_ever(report: int):
    def work(path: Path) -> None:
        while True:
            update_text_file(path, lambda source: NEW if source.text == OLD else OLD)
            os.write(report, b".")

    return work


def kill_at_random(path: Path, rounds: int, seed: int) -> dict[str, object]:
    chance = random.Random(seed)
    seen = Counter()
    path.write_text(OLD)
    for _ in range(rounds):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            toggle_for_ever(writer)(path)
        for _ in range(chance.randrange(4)):
            os.read(reader, 1)
        for _ in range(chance.randrange(20_000)):  # a moment within the next round
            pass
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)
        text = path.read_text()
        seen["old" if text == OLD else "new" if text == NEW else "torn"] += 1
    update_text_file(path, lambda source: "end", lock_timeout_s=5)
    return {"seen": seen, "files": sorted(entry.name for entry in path.parent.iterdir())}


def append_together(path: Path, writers: int, lines: int) -> dict[str, object]:
    path.write_text("")

    def work(writer: int) -> None:
        for number in range(lines):
            update_text_file(
                path, lambda source, n=number: f"{source.text}{writer} {n}\n", lock_timeout_s=60
            )

    ends = _together(writers, work)
    return {"ends": ends, "lines": len(set(path.read_text().splitlines()))}


def tick_together(path: Path, writers: int, boxes: int) -> dict[str, object]:
    """Each writer ticks and unticks boxes of its own, one at a time."""
    text = "# T\r\n\tä | not | a box [ ]\n" + "".join(
        f"- [ ] writer {writer} box {box}\n" for writer in range(writers) for box in range(boxes)
    )
    path.write_bytes(text.encode())

    def work(writer: int) -> None:
        for box in range(boxes):
            for is_ticked in (True, False, True) if box % 2 else (True,):
                wanted = {f"t/writer-{writer}-box-{box}": is_ticked}
                update_workflow(path, lambda read, w=wanted: set_ticks(read, w), lock_timeout_s=60)

    ends = _together(writers, work)
    ticked = text.replace("- [ ] writer", "- [x] writer")
    return {"ends": ends, "all_ticked": path.read_bytes() == ticked.encode()}


def _together(writers: int, work) -> list[int]:
    pids = []
    for writer in range(writers):
        pid = os.fork()
        if pid == 0:
            work(writer)
            os._exit(0)
        pids.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


if __name__ == "__main__":
    target = Path(sys.argv[2])
    result = {
        "lines": lambda: kill_at_every_line(target),
        "random": lambda: kill_at_random(target, rounds=40, seed=20),
        "together": lambda: append_together(target, writers=4, lines=10),
        "ticks": lambda: tick_together(target, writers=8, boxes=6),
    }[sys.argv[1]]()
    print(json.dumps(result))  # noqa: T201
