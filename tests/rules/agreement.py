"""What must hold for any ruleset and any request: compiled, metered and explained, the engine says
what the tree walker says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.rules import limits, nodes
from harness.rules.compiler import Compiler, Evaluator, MeteredCompiler
from harness.rules.cost import CostBook
from harness.rules.explain import RuleExplanation
from harness.rules.parser import parse_ruleset
from harness.rules.request import RulesRequest
from harness.rules.ruleset import CompiledRuleset, Decision, LoadedRuleset, load_ruleset
from harness.rules.runtime import (
    AccessLog,
    DocumentSource,
    EvaluationContext,
    EvaluationStopped,
    RulesError,
)
from harness.source import SourceText
from tests.rules.ruleset_walker import WalkedDecision, walk
from tests.rules.tree_walker import World

# Far more than the budget, and still evaluated in no time.
_AFFORDABLE = 20_000
# The engine's own limit, which a tree walker does not have.
_TOO_DEEP = "nested too deeply for this engine"


def load(text: str) -> LoadedRuleset:
    """Load a text, whatever it is; every issue must have a place in it."""
    loaded = load_ruleset(SourceText("firestore.rules", text))
    for issue in loaded.issues:
        assert 0 <= issue.span.start <= issue.span.end <= len(text), issue
        assert issue.position.line >= 1, issue
        assert issue.description, issue
    has_error = any(issue.severity.value == "ERROR" for issue in loaded.issues)
    assert (loaded.ruleset is None) == has_error, loaded.issues
    return loaded


def check_agreement(
    ruleset: CompiledRuleset, request: RulesRequest, documents: DocumentSource
) -> Decision:
    """Decide a request in every way there is, and compare."""
    decision = ruleset.decide(request, documents)
    assert decision.message == "" or not decision.allowed
    with deep_recursion():
        walked = walk(ruleset.tree, request, documents)
    if _TOO_DEEP in decision.message:
        return decision
    engine = outcome(ruleset, decision)
    walker = walked_outcome(ruleset, walked, request.method.value)
    assert engine == walker, f"\nengine: {engine}\nwalker: {walker}\n{request}\n{documents}"
    again = ruleset.decide(request, documents)
    assert outcome(ruleset, again) == outcome(ruleset, decision)
    if "disjuncts" not in decision.message:
        # A query that is refused before any rule is tried has nothing to explain.
        check_explanation(decision, ruleset.explain(request, documents))
    return decision


def check_commit(
    ruleset: CompiledRuleset, requests: Sequence[RulesRequest], documents: DocumentSource
) -> None:
    """Decide the writes of one commit, which share their document accesses."""
    log = AccessLog(limits.BATCH_ACCESS_CALLS)
    shared = World(shared_limit=20)
    for request in requests:
        decision = ruleset.decide(request, documents, log)
        with deep_recursion():
            walked = walk(ruleset.tree, request, documents, shared=shared)
        if _TOO_DEEP not in decision.message:
            walker = walked_outcome(ruleset, walked, request.method.value)
            assert outcome(ruleset, decision) == walker


def outcome(ruleset: CompiledRuleset, decision: Decision) -> object:
    allowed_by = decision.allowed_by and (decision.allowed_by.line, decision.allowed_by.column)
    reasons = [_said(reason.text, reason.line, reason.column) for reason in decision.reasons]
    return decision.allowed, allowed_by, reasons, decision.accesses


def walked_outcome(ruleset: CompiledRuleset, walked: WalkedDecision, method: str) -> object:
    source = ruleset.source
    allowed_by = None
    if walked.allowed_by is not None:
        at = source.position(walked.allowed_by)
        allowed_by = at.line, at.column
    reasons = []
    for reason in walked.reasons:
        at = source.position(reason.at)
        line = source.position(reason.statement.start).line
        text = f"{reason.cause} for '{method}' @ L{line}"
        reasons.append(_said(text, at.line, at.column))
    return walked.allowed, allowed_by, reasons, walked.accesses


def _said(text: str, line: int, column: int) -> tuple[str, int, int]:
    # Where exactly a limit is passed depends on the order in which costs are charged.
    return (text, 0, 0) if "has been reached" in text else (text, line, column)


def check_round_trip(text: str) -> None:
    """What is unparsed parses to an equal tree, and is unparsed alike."""
    tree = parse_ruleset(SourceText("firestore.rules", text))
    written = nodes.unparse(tree)
    again = parse_ruleset(SourceText("firestore.rules", written))
    assert again == tree
    assert nodes.unparse(again) == written


def check_metering(
    ruleset: CompiledRuleset, request: RulesRequest, documents: DocumentSource
) -> None:
    """Counting changes nothing below the budget, and never exceeds the forecast."""
    plain, metered = Compiler(request.service), MeteredCompiler(request.service)
    book = CostBook()
    for plan, path, resource in ruleset.evaluations(request):
        for step in plan.steps:
            statement, scope = step.rule.statement, step.rule.scope
            most = book.most(statement.condition or nodes.BoolLiteral(True), scope)
            assert statement.condition is None or most <= book.bound(step.rule)
            if most > _AFFORDABLE:
                continue
            results = []
            for compiler in (plain, metered):
                context = EvaluationContext(request, path, resource, documents, None)
                context.remaining, context.shift = _AFFORDABLE, step.shift
                evaluate = compiler.rule(step.rule)
                results.append(_result(evaluate, context))
                assert _AFFORDABLE - context.remaining <= most
            assert results[0] == results[1]


def _result(evaluate: Evaluator, context: EvaluationContext) -> object:
    try:
        value = evaluate(context)
    except (RulesError, EvaluationStopped) as error:
        return type(error), _said(error.text, error.span.start if error.span else 0, 0)
    except RecursionError:
        return "deep"
    return type(value), repr(value)


def check_explanation(decision: Decision, explanations: tuple[RuleExplanation, ...]) -> None:
    assert any(each.granted for each in explanations) == decision.allowed
    assert len(str(explanations)) >= 0
    for explanation in explanations:
        assert len(explanation.expressions) <= limits.EXPRESSIONS_PER_REQUEST + 1
        assert str(explanation)
    if not decision.allowed:
        causes = [each.error or "false" for each in explanations]
        said = [reason.text.rpartition(" for '")[0] for reason in decision.reasons]
        assert causes == said


@contextmanager
def deep_recursion() -> Iterator[None]:
    """The walker takes several Python frames for each level of an expression."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(usual)
