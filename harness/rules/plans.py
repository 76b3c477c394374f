"""What there is to do for a method on a path: which conditions to run, in which compilation. Made
once, kept.

The words of the answer are in `denials.py`; what is decided by it in `ruleset.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.rules import limits
from harness.rules.compiler import Compiler, Evaluator, MeteredCompiler
from harness.rules.cost import CostBook, reads_resource
from harness.rules.matching import Candidate, PathMatcher, Shape
from harness.rules.request import Method
from harness.rules.runtime import EvaluationContext, EvaluationStopped, RulesError, not_bool
from harness.rules.scope import AllowRule, ResolvedRuleset

if TYPE_CHECKING:
    from harness.rules.denials import Outcome


@dataclass(eq=False, slots=True)
class Step:
    """One candidate of a plan.

    Args:
        rule: The allow statement.
        evaluate: Its condition.
        shift: The context's `shift` for it; see `scope.Capture`.
    """

    rule: AllowRule
    evaluate: Evaluator
    shift: int


@dataclass(eq=False, slots=True)
class Plan:
    """All there is to do for one method on one shape of path.

    Args:
        steps: In source order.
        is_metered: The steps together could exceed the budget, so they are compiled to count.
    """

    steps: tuple[Step, ...]
    is_metered: bool
    _reads_resource: bool | None = field(default=None, init=False, repr=False)

    @property
    def reads_resource(self) -> bool:
        """Say whether some step mentions `resource`. Only the words of a denial ask for it."""
        if self._reads_resource is None:
            self._reads_resource = any(
                step.rule.statement.condition is not None
                and reads_resource(step.rule.statement.condition, step.rule.scope)
                for step in self.steps
            )
        return self._reads_resource


NOTHING_TO_DO = Plan((), is_metered=False)


def run(plan: Plan, context: EvaluationContext, outcomes: list[Outcome]) -> Step | None:
    """Evaluate a plan's conditions until one is true, and return its step.

    What the others gave is appended to `outcomes`.
    """
    try:
        for step in plan.steps:
            context.shift = step.shift
            try:
                value = step.evaluate(context)
            except RulesError as error:
                outcomes.append(error)
                continue
            if value is True:
                return step
            outcomes.append(False if value is False else not_bool(value))
    except EvaluationStopped as stopped:
        outcomes.append(stopped)
    except RecursionError:
        # Deep calls of deep expressions can need more of Python's stack than there is. Production
        # may have enough; so the words say that the limit is ours.
        outcomes.append(EvaluationStopped("Expression is nested too deeply for this engine."))
    return None


# Paths are the client's to choose, so what is kept for them is bounded.
_MAX_PLANS = 10_000


class ServicePlans:
    """The rules of one service, and the plans made for them so far."""

    def __init__(self, name: str, resolved: ResolvedRuleset, book: CostBook) -> None:
        self.name = name
        self.matcher = PathMatcher(resolved.rules[name], name, resolved.version)
        self._spelled = self.matcher.spelled
        self._book = book
        self._plain = Compiler(name)
        self._metered = MeteredCompiler(name)
        self._evaluators: dict[tuple[AllowRule, bool], Evaluator] = {}
        self._by_shape: dict[tuple[Method, Shape], Plan] = {}
        # Found without the shape: method -> all segments but the last -> the last, or None if no
        # pattern spells it. A server sees many documents of few collections.
        self._by_collection: dict[Method, dict[tuple[str, ...], dict[str | None, Plan]]] = {
            method: {} for method in Method
        }
        self._by_list: dict[tuple[Shape, ...], Plan] = {}

    def plan(self, method: Method, path: tuple[str, ...]) -> Plan:
        """Return the plan for anything but a list."""
        collections = self._by_collection[method]
        last = self._spelled(path[-1]) if path else None
        known = collections.get(path[:-1])
        if known is not None and last in known:
            return known[last]
        shape = self.matcher.shape(path)
        plan = self._by_shape.get((method, shape))
        if plan is None:
            _make_room(self._by_shape)
            plan = self._make_plan(self.matcher.candidates(method, shape))
            self._by_shape[method, shape] = plan
        _make_room(collections)
        collections.setdefault(path[:-1], {})[last] = plan
        return plan

    def list_plan(self, paths: Sequence[tuple[str, ...]]) -> Plan:
        """Return the plan for a list over all of these paths."""
        shapes = tuple(self.matcher.shape(path) for path in paths)
        plan = self._by_list.get(shapes)
        if plan is None:
            _make_room(self._by_list)
            plan = self._by_list[shapes] = self._make_plan(self.matcher.list_candidates(paths))
        return plan

    def _make_plan(self, candidates: list[Candidate]) -> Plan:
        rules = [rule for rule, _ in candidates]
        is_metered = self._book.can_exceed(rules, limits.EXPRESSIONS_PER_REQUEST)
        steps = tuple(
            Step(rule, self._evaluator(rule, is_metered), shift) for rule, shift in candidates
        )
        return Plan(steps, is_metered)

    def _evaluator(self, rule: AllowRule, is_metered: bool) -> Evaluator:
        key = (rule, is_metered)
        evaluate = self._evaluators.get(key)
        if evaluate is None:
            compiler = self._metered if is_metered else self._plain
            evaluate = compiler.rule(rule)
            self._evaluators[key] = evaluate
        return evaluate


def _make_room(cache: dict[Any, Any]) -> None:
    if len(cache) >= _MAX_PLANS:
        cache.clear()
