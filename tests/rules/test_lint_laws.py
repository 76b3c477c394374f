"""What the linter believes of a condition holds whenever the engine decides by it."""

from __future__ import annotations

from datetime import UTC, date, datetime

from hypothesis import assume, given
from hypothesis import strategies as st

from harness.rules import nodes
from harness.rules.lint.kinds import KindBook
from harness.rules.lint.linter import lint_ruleset
from harness.rules.lint.program import Program
from harness.rules.lint.situations import TRUE, Caller
from harness.rules.request import FIRESTORE, Method, RulesAuth, RulesRequest, RulesResource
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.rules.runtime import NO_DOCUMENTS
from harness.rules.values import RulesPath, RulesTimestamp
from harness.source import SourceText
from tests.rules.expressions import conditions, expressions

TODAY = date(2026, 1, 1)
NOW = RulesTimestamp(int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()) * 10**9)
PATH = ("databases", "(default)", "documents", "a", "b")
ALICE = RulesAuth("alice", {"sub": "alice", "admin": True, "email": "alice@example.com"})
DATA = st.dictionaries(
    st.sampled_from(["n", "m", "s", "tags", "k"]),
    st.one_of(
        st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["", "a", "b", "alice"])
    ),
    max_size=3,
)

_users = nodes.Member(nodes.Member(nodes.Variable("request"), "auth"), "uid")
_incoming = nodes.Member(nodes.Member(nodes.Variable("request"), "resource"), "data")
_terms = st.one_of(
    st.sampled_from(
        [
            _users,
            _incoming,
            nodes.Member(nodes.Variable("request"), "auth"),
            nodes.Variable("resource"),
            nodes.Member(nodes.Variable("resource"), "data"),
            nodes.Member(nodes.Variable("request"), "resource"),
            nodes.Member(nodes.Variable("request"), "method"),
            nodes.Variable("a"),
            nodes.Index(nodes.Variable("resource"), nodes.StringLiteral("data")),
            nodes.Index(nodes.Variable("request"), nodes.StringLiteral("auth")),
            nodes.NullLiteral(),
            nodes.StringLiteral("get"),
            nodes.StringLiteral("alice"),
        ]
    ),
    expressions,
)
_comparisons = st.builds(nodes.Binary, st.sampled_from(["==", "!=", "in", "<"]), _terms, _terms)
_joined: st.SearchStrategy[nodes.Expression] = st.recursive(
    st.one_of(_comparisons, conditions, expressions),
    lambda inner: st.one_of(
        st.builds(nodes.Binary, st.sampled_from(["&&", "||"]), inner, inner),
        st.builds(nodes.Unary, st.just("!"), inner),
        st.builds(nodes.Conditional, inner, inner, inner),
    ),
    max_leaves=5,
)


def compiled(condition: nodes.Expression) -> CompiledRuleset:
    text = (
        "rules_version = '2'; service cloud.firestore { match /databases/{db}/documents {\n"
        "function f(x) { let y = x; return y; } function g(x) { return f(x) == null; }\n"
        f"match /a/{{a}} {{ allow read, write: if {nodes.unparse(condition)}; }} }} }}"
    )
    loaded = load_ruleset(SourceText("firestore.rules", text))
    assume(loaded.ruleset is not None)
    assert loaded.ruleset is not None
    return loaded.ruleset


def request(
    method: Method, caller: Caller, before: dict[str, object] | None, after: dict[str, object]
) -> RulesRequest:
    stored = None if before is None else RulesResource(before, RulesPath(PATH))
    is_write = method in (Method.CREATE, Method.UPDATE)
    return RulesRequest(
        service=FIRESTORE,
        method=method,
        path=PATH,
        auth=None if caller is Caller.SIGNED_OUT else ALICE,
        time=NOW,
        resource=None if method is Method.CREATE else stored,
        new_resource=RulesResource(after, RulesPath(PATH)) if is_write else None,
    )


@given(
    _joined,
    st.sampled_from([Method.GET, Method.CREATE, Method.UPDATE, Method.DELETE]),
    st.sampled_from([Caller.SIGNED_OUT, Caller.SOMEONE]),
    DATA,
    DATA,
)
def test_what_the_engine_decides_is_among_what_the_linter_thinks_possible(
    condition: nodes.Expression,
    method: Method,
    caller: Caller,
    before: dict[str, object],
    after: dict[str, object],
) -> None:
    ruleset = compiled(condition)
    program = Program(ruleset.source, ruleset.resolved, (), TODAY)
    (grant,) = program.grants
    possible = program.outcome(grant, method, caller)
    decision = ruleset.decide(request(method, caller, before, after), NO_DOCUMENTS)
    if decision.allowed:
        assert TRUE in possible
    else:
        assert possible != TRUE


@given(_joined)
def test_the_linter_ends_on_any_condition(condition: nodes.Expression) -> None:
    ruleset = compiled(condition)
    lint_ruleset(ruleset.source, ruleset.tree, ruleset.resolved, (), today=TODAY)


@given(expressions)
def test_a_term_is_of_the_kind_that_the_linter_believes(expression: nodes.Expression) -> None:
    """`x is KIND` is true for one of the kinds, or x is an error, or null, or a set (which no name
    fits).
    """
    ruleset = compiled(expression)
    program = Program(ruleset.source, ruleset.resolved, (), TODAY)
    kinds = KindBook().of(program.grants[0].condition)
    if kinds is None or kinds & {"null", "set"}:
        return
    test = nodes.Unary("!", nodes.TypeTest(expression, "int"))
    for kind in sorted(kinds):
        is_not = nodes.Unary("!", nodes.TypeTest(expression, kind))
        test = is_not if kind == min(kinds) else nodes.Binary("&&", test, is_not)  # type: ignore[assignment]
    decision = compiled(test).decide(request(Method.GET, Caller.SOMEONE, {}, {}), NO_DOCUMENTS)
    assert not decision.allowed, kinds
