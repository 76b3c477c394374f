"""What the rules decided in a check that failed, explained in its report.

A check fails right after the request whose answer it did not expect, so the last request is shown
in full, whether it was denied or allowed, and the denials before it in a line each.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence

import pytest

from harness.errors import HarnessError
from harness.pytest_plugin.requests import CheckRequests, requests_of
from harness.rules.explain_request import RequestExplanation, explain_request
from harness.rules.explain_text import full_text, summary
from harness.rules.recorded import RecordedRequest, ReplaySource
from harness.rules.recorded_json import ReadRequest
from harness.rules.ruleset import CompiledRuleset, load_ruleset

SECTION = "rules decisions"
REPORT_ATTRIBUTE = "harness_decision"
"""Of a failed check's report: one line on the decision that it probably failed for."""

_SHOWN_DENIALS = 12
# As google-cloud-firestore, the Storage fixtures, firebase-admin and the client SDKs say it.
_DENIAL = re.compile(r"permission.?denied|StorageDenied|insufficient permissions|\b403\b", re.I)
_ALLOWED_UNEXPECTEDLY = "DID NOT RAISE"


def attach_decisions(report: pytest.TestReport, item: pytest.Item) -> None:
    """Explain the decisions of a check that failed; nothing where its requests are not kept."""
    requests = requests_of(item)
    if requests is None:
        return
    # The emulator may be what failed; then there is nothing to explain with.
    with contextlib.suppress(HarnessError):
        requests.take()
        read = sorted(requests.read(), key=lambda each: _time(each.recorded))
        explained = list(_explained(read, requests))
        if explained:
            report.sections.append((SECTION, _section(explained)))
            last = explained[-1]
            if _is_about(report, last):
                setattr(report, REPORT_ATTRIBUTE, summary(last))


def _is_about(report: pytest.TestReport, last: RequestExplanation) -> bool:
    """Whether the check failed for the last request: a denial that it expected, and went on, is no
    reason for what it found afterwards.
    """
    if last.allowed:
        return _ALLOWED_UNEXPECTEDLY in str(report.longrepr)
    crash = getattr(report.longrepr, "reprcrash", None)
    said = str(report.longrepr) if crash is None else crash.message
    return _DENIAL.search(said) is not None


def _time(recorded: RecordedRequest) -> int:
    return recorded.decisions[0].request.time.nanos


def _explained(
    read: Sequence[ReadRequest], requests: CheckRequests
) -> Iterator[RequestExplanation]:
    """Yield the denials and the last request, each with its first denial or its last question."""
    rulesets: dict[str, CompiledRuleset | None] = {}
    denied = [each for each in read[:-1] if not each.recorded.allowed]
    for each in [*denied[-_SHOWN_DENIALS:], *read[-1:]]:
        if each.rules not in rulesets:
            source = requests.ruleset(each.rules)
            rulesets[each.rules] = load_ruleset(source).ruleset if source is not None else None
        ruleset = rulesets[each.rules]
        if ruleset is not None:
            decisions = each.recorded.decisions
            asked = next(
                (decision for decision in decisions if not decision.allowed), decisions[-1]
            )
            yield explain_request(ruleset, asked.request, ReplaySource(each.recorded.documents))


def _section(explained: Sequence[RequestExplanation]) -> str:
    before, last = explained[:-1], explained[-1]
    lines = ["The last request of this check:", "", full_text(last)]
    if before:
        lines += ["", "Denied before it:", *(f"  {summary(each)}" for each in before)]
    return "\n".join(lines)
