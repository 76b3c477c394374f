"""What functions printed during a check, read from the suite's log."""

from __future__ import annotations

from pathlib import Path

from harness.emulators.diagnosis import plain_lines


class FunctionsLog:
    """The part of the suite's log that came after a moment; the suite's own lines are left out."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset_bytes = log.stat().st_size

    def lines(self) -> list[str]:
        """Return the lines that functions have printed since the check began."""
        with self._log.open("rb") as file:
            file.seek(self._offset_bytes)
            text = file.read().decode("utf-8", errors="replace")
        printed = [line for line in plain_lines(text) if line.startswith(">")]
        return [line.removeprefix(">").strip() for line in printed]

    @property
    def text(self) -> str:
        """The same as one text."""
        return "\n".join(self.lines())
