"""What functions printed during a check, read from the suite's log."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path

from harness.emulators.diagnosis import plain_lines

_LATE_LINES_S = 1.0
_BEGINNING = re.compile(r'i  functions: Beginning execution of "[a-z]+-[a-z]+\d+-(.+)"$')


class FunctionsLog:
    """The part of the suite's log that came after a moment; the suite's own lines are left out."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset_bytes = log.stat().st_size

    def lines(self) -> list[str]:
        """Return the lines that functions have printed since the check began."""
        printed = [line for line in self._all_lines() if line.startswith(">")]
        return [line.removeprefix(">").strip() for line in printed]

    def runs(self) -> Counter[str]:
        """Return how often each function has run since, whoever called it: the Functions emulator
        says so before it hands a request or an event on.

        Source: observed: firebase-tools 15, emulator/functionsRuntimeWorker: request.
        """
        return Counter(
            match[1] for line in self._all_lines() if (match := _BEGINNING.match(line)) is not None
        )

    def _all_lines(self) -> list[str]:
        with self._log.open("rb") as file:
            file.seek(self._offset_bytes)
            return plain_lines(file.read().decode("utf-8", errors="replace"))

    def first_error(self) -> str | None:
        """Return what the first error logged since says, with the line it came from; None if none.

        firebase-tools copies lines from the function's process to its log: they may come a moment
        after the function's answer.
        Source: Cloud Logging, structured logging, `severity` and `message`.
        """
        limit = time.monotonic() + _LATE_LINES_S
        while time.monotonic() < limit:
            for line in self.lines():
                if (error := _logged_error(line)) is not None:
                    return error
            time.sleep(0.05)
        return None

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines())


def _logged_error(line: str) -> str | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.get("severity") != "ERROR":
        return None
    said = [part.strip() for part in str(entry.get("message", "")).splitlines() if part.strip()]
    return " ".join(said[:2]) or None
