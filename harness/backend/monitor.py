"""The rules' latest decisions, as the Emulator UI's request view shows them.

While requests come in, only references are kept, to records that never change; a decision is put
into words, with what each allow statement gave, when somebody looks. How the words travel is
`server/request_monitor.py`'s.

Source: observed: emulator 1.22.0, published recordings of its `/requests` socket;
    firebase-tools-ui, components/Firestore/Requests. There a decision is shown once more for the
    emulator's first pass, without the document; here is no such pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.rules.explain import RuleExplanation
from harness.rules.recorded_json import ruleset_digest
from harness.rules.request import Method, RulesRequest
from harness.rules.request_values import request_map, resource_value
from harness.rules.ruleset import CompiledRuleset
from harness.rules.runtime import AccessLog, EvaluationContext, RulesValue
from harness.rules.value_json import TooLarge, ValueWriter, timestamp_text

HISTORY = 500
"""Decisions kept; the oldest leave first."""

VALUE_ROOM = 200_000
"""Parts and characters of `request`, and of `resource`, that are shown; of what is larger, that it
is."""

_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One decision.

    Args:
        id: Of no other decision, whichever server took it.
        allowed: What was decided.
        accesses: The documents that the rules looked up for it.
    """

    id: str
    project: str
    ruleset: CompiledRuleset
    request: RulesRequest
    allowed: bool
    accesses: AccessLog

    def to_json(self) -> dict[str, Any]:
        """Return it as the request view reads it."""
        request = self.request
        documents = _LookedUp(self.accesses)
        explanations = self.ruleset.explain(request, documents)
        time = timestamp_text(request.time.nanos)
        source = self.ruleset.source.text
        context = EvaluationContext(request, request.path, request.resource, documents, None)
        return {
            "rules": source,
            "time": time,
            "rulesReleaseKey": f"projects/{self.project}/releases/cloud.firestore"
            f"-{int(ruleset_digest(source)[:_DIGITS], 16)}",
            "requestId": self.id,
            "outcome": self._outcome(explanations),
            "granularAllowOutcomes": [
                {"line": each.position.line, "outcome": each.granted} for each in explanations
            ],
            "rulesContext": {
                "method": request.method.value,
                "path": "/" + "/".join(request.path),
                "time": time,
                "request": _value(request_map(context)),
                # What a query will find is not known when rules decide about it.
                "resource": {"undefined": {}}
                if request.method is Method.LIST
                else _value(resource_value(request.resource)),
            },
        }

    def _outcome(self, explanations: Sequence[RuleExplanation]) -> str:
        if self.allowed:
            return "allow"
        # Which of the two it is when some statements were false and some had an error is inferred.
        is_error = bool(explanations) and all(each.error is not None for each in explanations)
        return "error" if is_error else "deny"


Listener = Callable[[Evaluation], None]


class EvaluationMonitor:
    """The latest decisions about every project.

    Args:
        instance: Begins the ids, so that those of another start of the server are others.
    """

    def __init__(self, instance: str, size: int = HISTORY) -> None:
        self._instance = instance
        self._kept: deque[Evaluation] = deque(maxlen=size)
        self._count = 0
        self._listeners: list[Listener] = []

    def add(
        self,
        project: str,
        ruleset: CompiledRuleset,
        request: RulesRequest,
        allowed: bool,
        accesses: AccessLog,
    ) -> None:
        """Keep a decision that has just been taken, and tell who listens."""
        self._count += 1
        number = f"{self._instance}-{self._count}"
        evaluation = Evaluation(number, project, ruleset, request, allowed, accesses)
        self._kept.append(evaluation)
        for listener in tuple(self._listeners):
            listener(evaluation)

    def history(self) -> tuple[Evaluation, ...]:
        """Return what is kept, oldest first."""
        return tuple(self._kept)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have a listener told of each decision; return what ends that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe


def _value(value: RulesValue) -> dict[str, Any]:
    try:
        return ValueWriter(VALUE_ROOM).value(value)
    except TooLarge:
        return {"stringValue": "(too large to be shown)"}


class _LookedUp:
    """The documents as the decision found them; it looked at no others."""

    def __init__(self, accesses: AccessLog) -> None:
        self._found = accesses.results

    def get(self, path: tuple[str, ...]) -> Mapping[str, RulesValue] | None:
        return self._found.get((False, path))

    def get_after(self, path: tuple[str, ...]) -> Mapping[str, RulesValue] | None:
        return self._found.get((True, path))
