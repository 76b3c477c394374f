"""The rules engine's front door: text to a ruleset, a request to a decision.

    loaded = load_ruleset(SourceText("firestore.rules", text))
    decision = loaded.ruleset.decide(request, documents)

Values in, values out. What requests, documents and values look like: `request.py`, `runtime.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.rules import limits, nodes
from harness.rules.check import check_ruleset
from harness.rules.cost import CostBook
from harness.rules.denials import NO_MATCH, Decision, Denial, DenyReason, Outcome
from harness.rules.explain import Explainer, RuleExplanation
from harness.rules.issues import Issue, Severity
from harness.rules.list_views import TooManyDisjuncts, list_views
from harness.rules.matching import is_in_query
from harness.rules.parser import SyntaxProblem, parse_ruleset
from harness.rules.plans import NOTHING_TO_DO, Plan, ServicePlans, Step, run
from harness.rules.request import FIRESTORE, Method, RulesRequest
from harness.rules.runtime import (
    AccessLog,
    DocumentSource,
    EvaluationContext,
    EvaluationStopped,
    PartialMap,
)
from harness.rules.scope import AllowRule, ResolvedRuleset, resolve
from harness.source import SourceText, Span

__all__ = [
    "NO_MATCH",
    "CompiledRuleset",
    "Decision",
    "DenyReason",
    "LoadedRuleset",
    "RuleExplanation",
    "load_ruleset",
]

# Reading a member of an Enum class costs as much as evaluating a small expression.
_LIST = Method.LIST


@dataclass(frozen=True, slots=True)
class LoadedRuleset:
    """What became of a rules text. `ruleset` is None when an issue is an ERROR."""

    ruleset: CompiledRuleset | None
    issues: tuple[Issue, ...]


def load_ruleset(source: SourceText) -> LoadedRuleset:
    """Parse, check and prepare a rules text. Never raises for bad text: the issues say what is
    wrong.
    """
    if len(source.text.encode("utf-8", "surrogatepass")) > limits.SOURCE_BYTES:
        size = limits.SOURCE_BYTES // 1024
        return _refused(source, Span(0, 0), f"Ruleset source exceeds the maximum of {size} KB.")
    try:
        tree = parse_ruleset(source)
    except SyntaxProblem as problem:
        return _refused(source, problem.span, problem.description)
    resolved = resolve(tree)
    issues = check_ruleset(source, tree, resolved)
    if any(issue.severity is Severity.ERROR for issue in issues):
        return LoadedRuleset(None, issues)
    return LoadedRuleset(CompiledRuleset(source, tree, resolved), issues)


def _refused(source: SourceText, span: Span, description: str) -> LoadedRuleset:
    return LoadedRuleset(None, (Issue.at(source, span, Severity.ERROR, description),))


class CompiledRuleset:
    """A ruleset that can decide requests. Made by `load_ruleset`.

    Args:
        source: Its text.
        tree: Its syntax tree.
        resolved: Its names.
    """

    def __init__(self, source: SourceText, tree: nodes.Ruleset, resolved: ResolvedRuleset) -> None:
        self.source = source
        self.tree = tree
        self.resolved = resolved
        book = CostBook()
        self._services = {name: ServicePlans(name, resolved, book) for name in resolved.rules}
        self._granted: dict[AllowRule, Decision] = {}
        self._explainers: dict[str, Explainer] = {}

    @property
    def version(self) -> int:
        """Return the number in `rules_version`; 1 when the text does not say."""
        return self.resolved.version

    @property
    def services(self) -> tuple[str, ...]:
        """Return the names of the services that the text has blocks for."""
        return tuple(self._services)

    @property
    def allow_lines(self) -> tuple[int, ...]:
        """Return the line of each allow statement, in the order of the text."""
        starts = {
            rule.statement.span.start for rules in self.resolved.rules.values() for rule in rules
        }
        return tuple(self.source.position(start).line for start in sorted(starts))

    def decide(
        self, request: RulesRequest, documents: DocumentSource, log: AccessLog | None = None
    ) -> Decision:
        """Decide one request: the first allow statement that is true grants, and nothing else does.

        Args:
            request: The request.
            documents: Where `get` and its kin look.
            log: Document accesses shared with other decisions of the same commit or batch get;
                without it this decision is a request by itself.
        """
        service = self._services.get(request.service)
        if service is None:
            return Decision(False)
        if request.method is _LIST:
            return self._decide_list(service, request, documents, log)
        path = request.path
        plan = service.plan(request.method, path)
        context = EvaluationContext(request, path, request.resource, documents, log)
        if plan.is_metered:
            context.remaining = limits.EXPRESSIONS_PER_REQUEST
        outcomes: list[Outcome] = []
        step = run(plan, context, outcomes)
        if step is not None:
            return self._granted_by(step, context)
        return self._denied(plan, context, outcomes)

    def message_of_set(self, request: RulesRequest, denied: Decision) -> str:
        """Return what the emulator says when it denies a write that says nothing of whether its
        document exists.
        """
        service = self._services.get(request.service)
        if service is None or denied.denial is None:
            return denied.message
        create = service.plan(Method.CREATE, request.path)
        return denied.denial.message_of_set(create, service.plan(Method.UPDATE, request.path))

    def explain(
        self, request: RulesRequest, documents: DocumentSource
    ) -> tuple[RuleExplanation, ...]:
        """Return what every expression of every rule that was tried gave for a request.

        For a list the rules are explained for the first disjunct of the filter that none of them
        allows, or for the last one.
        """
        explainer = self.explainer(request.service)
        explanations: tuple[RuleExplanation, ...] = ()
        for plan, path, resource in self.evaluations(request):
            explanations = explainer.explain(plan.steps, request, path, resource, documents)
            if not any(explanation.granted for explanation in explanations):
                break
        return explanations

    def explainer(self, service: str) -> Explainer:
        """Return what explains requests to a service; what it has compiled is kept."""
        explainer = self._explainers.get(service)
        if explainer is None:
            explainer = self._explainers[service] = Explainer(self.source, service)
        return explainer

    def evaluations(self, request: RulesRequest) -> Sequence[tuple[Plan, tuple[str, ...], object]]:
        """Return what `decide` evaluates for a request: a plan, the path, `resource`; each must
        grant. For compilations besides the plain one.
        """
        service = self._services.get(request.service)
        if service is None:
            return ()
        try:
            return self._evaluations(service, request)
        except TooManyDisjuncts:
            return ()

    def _evaluations(
        self, service: ServicePlans, request: RulesRequest
    ) -> list[tuple[Plan, tuple[str, ...], object]]:
        """Return what to run, on which path, and for which value of `resource`.

        That is one of each, but for a list one for each disjunct of its filter.

        Raises:
            TooManyDisjuncts: The query's filter is larger than Firestore accepts.
        """
        if request.method is not _LIST:
            plan = service.plan(request.method, request.path)
            return [(plan, request.path, request.resource)]
        query = request.query
        if query is not None and query.all_descendants and self.version < 2:
            # Source: Security Rules guide: collection-group queries need rules_version '2'.
            return [(NOTHING_TO_DO, request.path, None)]
        paths = service.matcher.list_paths(request)
        plan = service.list_plan(paths)
        if service.name != FIRESTORE:
            return [(plan, paths[-1], request.resource)]
        evaluations: list[tuple[Plan, tuple[str, ...], object]] = []
        for view in list_views(query):
            resource = PartialMap(data=view.data)
            if view.name is not None and is_in_query(view.name, request):
                evaluations.append((service.list_plan([view.name]), view.name, resource))
            else:
                evaluations.append((plan, paths[-1], resource))
        return evaluations

    def _decide_list(
        self,
        service: ServicePlans,
        request: RulesRequest,
        documents: DocumentSource,
        log: AccessLog | None,
    ) -> Decision:
        """Decide a list: some rule must hold for every disjunct, whatever is stored."""
        try:
            evaluations = self._evaluations(service, request)
        except TooManyDisjuncts as error:
            plan = service.list_plan(service.matcher.list_paths(request))
            context = EvaluationContext(request, request.path, None, documents, log)
            return self._denied(plan, context, [EvaluationStopped(f"The query has {error}.")])
        context = EvaluationContext(request, request.path, None, documents, log)
        granted: Step | None = None
        for plan, path, resource in evaluations:
            context.path, context.resource = path, resource
            if plan.is_metered:
                context.remaining = limits.EXPRESSIONS_PER_REQUEST
            outcomes: list[Outcome] = []
            step = run(plan, context, outcomes)
            if step is None:
                return self._denied(plan, context, outcomes)
            granted = granted or step
        if granted is None:
            return Decision(False)
        return self._granted_by(granted, context)

    def _granted_by(self, step: Step, context: EvaluationContext) -> Decision:
        decision = self._granted.get(step.rule)
        if decision is None:
            at = self.source.position(step.rule.statement.span.start)
            decision = self._granted[step.rule] = Decision(True, allowed_by=at)
        if context.accesses is None:
            return decision
        return Decision(True, _accessed(context), decision.allowed_by)

    def _denied(self, plan: Plan, context: EvaluationContext, outcomes: list[Outcome]) -> Decision:
        denial = Denial(self.source, plan, context, outcomes)
        return Decision(False, _accessed(context), None, denial)


def _accessed(context: EvaluationContext) -> tuple[tuple[str, ...], ...]:
    if context.accesses is None:
        return ()
    return tuple(dict.fromkeys(path for _, path in context.accesses))
