"""What the requests of the Storage emulator reach of their rules, kept in a file.

The runtime is a process that firebase-tools starts and kills, and its standard streams belong to
the protocol. So the file is replaced after each request, before the answer: who has the answer can
read the count that includes it, and a kill at any moment leaves a whole file.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.backend.coverage import ProjectCoverage
from harness.rules.coverage import CoverageCounts, merged_counts
from harness.rules.request import RulesRequest
from harness.rules.ruleset import CompiledRuleset
from harness.rules.runtime import AccessLog, DocumentSource
from harness.server.storage_requests import OPTION

FILE_NAME = "storage-coverage.json"


@dataclass(slots=True)
class StorageCoverage:
    """Counts, and writes the counts to a file."""

    path: Path
    _rulesets: dict[str, ProjectCoverage] = field(default_factory=dict)

    def observe(
        self,
        name: str,
        ruleset: CompiledRuleset,
        request: RulesRequest,
        documents: DocumentSource,
        log: AccessLog,
    ) -> None:
        """Count one decision.

        Args:
            name: The emulator's for the rules of one bucket; they may be loaded anew under it.
            ruleset: What decided.
            request: What was asked.
            documents: What the decision looked at.
            log: The decision's.
        """
        coverage = self._rulesets.setdefault(name, ProjectCoverage())
        coverage.of(ruleset).observe(request, documents, log)
        counts = merged_counts(each for known in self._rulesets.values() for each in known.all())
        text = json.dumps({"rulesets": [each.to_json() for each in counts]})
        # A disk that is full must not change what the emulator is answered.
        with contextlib.suppress(OSError):
            temporary = self.path.with_name(f"{self.path.name}.tmp")
            temporary.write_text(text, encoding="utf-8", errors="replace")
            temporary.replace(self.path)


def read_storage_coverage(path: Path) -> list[CoverageCounts]:
    """Read the file; nothing where there is none yet.

    Raises:
        ValueError: It is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [CoverageCounts.from_json(each) for each in content["rulesets"]]


def coverage_of_arguments(arguments: Sequence[str]) -> StorageCoverage | None:
    """Return the count that is kept beside the file of `--requests`; None without that."""
    if OPTION not in arguments[:-1]:
        return None
    return StorageCoverage(coverage_path(Path(arguments[arguments.index(OPTION) + 1])))


def coverage_path(requests: Path) -> Path:
    """Return where the count is, from where the requests are."""
    return requests.with_name(FILE_NAME)
