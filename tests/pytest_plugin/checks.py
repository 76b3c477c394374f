"""Small projects whose checks the plugin's tests run, and what came of the checks."""

import json
from pathlib import Path

import pytest

from harness.workflow.evidence import CheckResult

WORKFLOW = """\
# Feature

## Testing
- [ ] Verify security rules
- [ ] Test Cloud Functions
- [x] Performance testing
"""

RULES = """\
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /users/{uid} {
      allow read, write: if request.auth != null && request.auth.uid == uid;
    }
    match /admins/{id} {
      allow read: if request.auth.token.admin == true;
    }
  }
}
"""


def make_project(pytester: pytest.Pytester, *, workflow: str = WORKFLOW, **files: str) -> Path:
    """A Firebase project with a workflow document; `files` are checks, by module name."""
    pytester.makefile(".json", firebase='{"firestore": {"rules": "firestore.rules"}}')
    pytester.makefile(".rules", firestore=RULES)
    folder = pytester.path / "workflow"
    folder.mkdir()
    (folder / "feature.md").write_text(workflow, encoding="utf-8")
    pytester.makepyfile(**files)
    return pytester.path


def results_of(folder: Path) -> list[CheckResult]:
    """What a run with `--harness-evidence` wrote."""
    text = (folder / "checks.jsonl").read_text(encoding="utf-8")
    return [CheckResult.from_json(json.loads(line)) for line in text.splitlines()]


def outcomes_of(folder: Path) -> dict[tuple[str, str | None], str]:
    """(test name, item) -> outcome."""
    return {
        (result.nodeid.partition("::")[2] or result.nodeid, result.item_id): result.outcome.value
        for result in results_of(folder)
    }
