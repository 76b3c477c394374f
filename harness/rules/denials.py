"""The answer to a request, and the words of a denial.

Most denials are never read: a denied check asks only whether it was denied. So the words are put
together when someone asks for them, from what the evaluation left behind; that reads no further
documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from harness.records import field, record
from harness.rules import limits
from harness.rules.plans import Plan, Step, run
from harness.rules.request import FIRESTORE, Method
from harness.rules.runtime import (
    UNRESOLVED,
    EvaluationContext,
    EvaluationStopped,
    RulesError,
    RulesValue,
    Unresolved,
)
from harness.source import SourcePosition, SourceText, Span

NO_MATCH = "No matching allow statements"

# What one rule gave: False, or why it has no boolean value.
Outcome: TypeAlias = bool | RulesError | EvaluationStopped


@dataclass(frozen=True, slots=True)
class DenyReason:
    """Why one allow statement did not grant.

    Args:
        line: Of the expression that failed, or of the condition that was false.
        column: The same.
        span: That expression.
        text: As in the emulator's denial: `false for 'get' @ L5`, where L5 is the line of `allow`.
    """

    line: int
    column: int
    span: Span
    text: str


class Denial:
    """Why a request was denied, in words on demand.

    Args:
        source: The ruleset's text.
        plan: What was tried.
        context: The evaluation as it was left.
        outcomes: What each step gave; shorter than the steps when a limit stopped the evaluation.
    """

    __slots__ = ("_context", "_message", "_outcomes", "_plan", "_reasons", "_source")

    def __init__(
        self,
        source: SourceText,
        plan: Plan,
        context: EvaluationContext,
        outcomes: list[Outcome],
    ) -> None:
        self._source = source
        self._plan = plan
        self._context = context
        self._outcomes = outcomes
        self._message: str | None = None
        self._reasons: tuple[DenyReason, ...] | None = None

    @property
    def reasons(self) -> tuple[DenyReason, ...]:
        """Return one reason for each statement that was tried."""
        if self._reasons is None:
            method = self._context.request.method
            self._reasons = tuple(self._explain(self._plan, method, self._outcomes))
        return self._reasons

    @property
    def message(self) -> str:
        """Return the text that the emulator sends."""
        if self._message is None:
            reasons = self.reasons
            request = self._context.request
            if self._plan.reads_resource and request.service == FIRESTORE:
                first, is_open = self._first_pass(self._plan, request.method)
                reasons = (*first, *reasons) if is_open else reasons
            self._message = _message(reasons)
        return self._message

    def message_of_set(self, create: Plan, update: Plan) -> str:
        """Return the text for a write that says nothing of whether its document exists.

        Before the emulator looks, it tries the rules for `create` and for `update`. Only what that
        leaves open makes it look, and try those that apply.

        Source: observed in logs of emulator runs that are public: `false for 'create' @ L12,
        false for 'update' @ L12`.
        """
        created, create_is_open = self._first_pass(create, Method.CREATE)
        updated, update_is_open = self._first_pass(update, Method.UPDATE)
        is_open = create_is_open or update_is_open
        return _message([*created, *updated, *(self.reasons if is_open else ())])

    def _explain(self, plan: Plan, method: Method, outcomes: Sequence[Outcome]) -> list[DenyReason]:
        pairs = zip(plan.steps, outcomes, strict=False)
        return [self._reason(step, method, outcome) for step, outcome in pairs]

    def _first_pass(self, plan: Plan, method: Method) -> tuple[list[DenyReason], bool]:
        """Return the terms of the emulator's first pass, and whether it left anything open.

        It tries all rules without `resource`, and only when that leaves one open a second time with
        it. Documents that the decision did not look at count as not loaded too.
        """
        context = self._context
        request = context.request
        if request.method is not method:
            request = replace(request, method=method)
        seen = _SeenDocuments(context)
        trial = EvaluationContext(request, context.path, UNRESOLVED, seen, None)
        trial.remaining = limits.EXPRESSIONS_PER_REQUEST
        outcomes: list[Outcome] = []
        granted = run(plan, trial, outcomes)
        is_open = granted is not None or any(
            isinstance(outcome, Unresolved) for outcome in outcomes
        )
        return self._explain(plan, method, outcomes), is_open

    def _reason(self, step: Step, method: Method, outcome: Outcome) -> DenyReason:
        statement = step.rule.statement
        line = self._source.position(statement.span.start).line
        at = statement.span if statement.condition is None else statement.condition.span
        cause = "false"
        if not isinstance(outcome, bool):
            at, cause = outcome.span or at, outcome.text
        position = self._source.position(at.start)
        if isinstance(outcome, Unresolved):
            cause = f"evaluation error at L{position.line}:{position.column}"
        text = f"{cause} for '{method.value}' @ L{line}"
        return DenyReason(position.line, position.column, at, text)


def _message(reasons: Sequence[DenyReason]) -> str:
    terms = ", ".join(reason.text for reason in reasons)
    return f"\n{terms}" if terms else NO_MATCH


class _SeenDocuments:
    """The documents that a decision has looked at, and no others."""

    def __init__(self, context: EvaluationContext) -> None:
        self._accesses = frozenset(context.accesses or ())
        self._log = context.log
        self._documents = context.documents

    def get(self, path: tuple[str, ...]) -> Mapping[str, RulesValue] | None:
        return self._look_up(path, after=False)

    def get_after(self, path: tuple[str, ...]) -> Mapping[str, RulesValue] | None:
        return self._look_up(path, after=True)

    def _look_up(self, path: tuple[str, ...], *, after: bool) -> Mapping[str, RulesValue] | None:
        if self._log is None or (after, path) not in self._accesses:
            raise Unresolved("")
        # It is in the log, so this asks no source.
        return self._log.look_up(self._documents, path, after=after)


@record()
class Decision:
    """The answer to one request.

    Args:
        allowed: Whether a rule granted.
        accesses: The distinct documents that `get` and `exists` asked for, which are billed reads
            either way.
        allowed_by: The allow statement that granted (for a list, its first disjunct).
        denial: The reasons, if it was denied.
    """

    allowed: bool
    accesses: tuple[tuple[str, ...], ...] = ()
    allowed_by: SourcePosition | None = None
    denial: Denial | None = field(default=None, compare=False, repr=False)

    @property
    def message(self) -> str:
        """Return the text that the emulator sends for a denial; empty when allowed."""
        if self.allowed:
            return ""
        return NO_MATCH if self.denial is None else self.denial.message

    @property
    def reasons(self) -> tuple[DenyReason, ...]:
        """Return for a denial one reason for each statement that was tried."""
        return () if self.denial is None else self.denial.reasons
