"""Laws of the engine, over generated expressions, texts, queries and documents."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from harness.rules import nodes
from harness.rules.compiler import Compiler, MeteredCompiler
from harness.rules.cost import CostBook
from harness.rules.parser import SyntaxProblem, parse_expression, parse_ruleset
from harness.rules.request import (
    FIRESTORE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.request_values import request_map
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.rules.runtime import NO_DOCUMENTS, EvaluationContext, EvaluationStopped, RulesError
from harness.rules.scope import FunctionSymbol, Scope
from harness.rules.values import (
    RulesPath,
    RulesTimestamp,
    RulesValue,
    is_element,
    membership_key,
    ordering_operands,
    plainly_equal,
    strictly_equal,
)
from harness.source import SourceText
from tests.rules.corpus import NOW, ROOT, condition_ruleset
from tests.rules.expressions import (
    conditions,
    expressions,
    texts,
    whole_document_comparisons,
)
from tests.rules.tree_walker import Level, Walker

PATH = (*ROOT, "notes", "n1")
REQUEST = RulesRequest(
    FIRESTORE,
    Method.UPDATE,
    PATH,
    RulesAuth("ana", {"n": 1}),
    NOW,
    RulesResource({"n": 1, "k": "a"}, RulesPath(PATH)),
    RulesResource({"n": 2, "k": None}, RulesPath(PATH)),
)
FUNCTIONS = {
    "f": "function f(a) { let b = a.n; let c = [a]; return a == null || b == 1 ? c : c.size(); }",
    "g": "function g() { return f(request.auth.token) && resource.data.n == 1; }",
}


def declared() -> dict[str, nodes.FunctionDeclaration]:
    tree = parse_ruleset(SourceText("functions", "\n".join(FUNCTIONS.values())))
    return {item.name: item for item in tree.body if isinstance(item, nodes.FunctionDeclaration)}


DECLARED = declared()
SCOPE = Scope(None)
for _declaration in DECLARED.values():
    SCOPE.functions[_declaration.name] = FunctionSymbol(_declaration, SCOPE)


def context() -> EvaluationContext:
    made = EvaluationContext(REQUEST, REQUEST.path, REQUEST.resource, NO_DOCUMENTS, None)
    made.remaining = 10**9
    return made


def outcome(evaluate: Any, *arguments: Any) -> object:
    """Return a value so that two can be compared, NaN and nested numbers included; or "error"."""
    try:
        value = evaluate(*arguments)
    except RulesError:
        return "error"
    return type(value), membership_key(value)


@given(expressions)
def test_what_is_unparsed_parses_to_an_equal_tree(tree: nodes.Expression) -> None:
    text = nodes.unparse(tree)
    try:
        again = parse_expression(text)
    except SyntaxProblem as problem:
        assume("too complex" not in problem.description)
        raise
    assert again == tree


@given(expressions)
def test_closures_agree_with_a_tree_walker(tree: nodes.Expression) -> None:
    plain = Compiler(FIRESTORE).condition(tree, SCOPE)
    variables = {
        "request": request_map(context()),
        "resource": {"data": {"n": 1, "k": "a"}, "id": "n1", "__name__": RulesPath(PATH)},
    }
    walker = Walker(variables, (Level(DECLARED),))
    assert outcome(plain, context()) == outcome(walker.value, tree)


@given(
    conditions,
    st.dictionaries(
        st.sampled_from(["n", "m", "s", "tags"]),
        st.one_of(
            st.none(),
            st.integers(0, 3),
            st.sampled_from(["a", "b"]),
            st.just(["a"]),
            st.just({"x": 1}),
        ),
    ),
)
def test_closures_agree_with_a_tree_walker_on_conditions(
    tree: nodes.Expression, data: dict[str, RulesValue]
) -> None:
    plain = Compiler(FIRESTORE).condition(tree, SCOPE)
    made = context()
    made.resource = RulesResource(data, RulesPath(PATH))
    walker = Walker({"resource": {"data": data}}, (Level(DECLARED),))
    assert outcome(plain, made) == outcome(walker.value, tree)


@given(expressions)
def test_metering_changes_no_outcome_and_never_exceeds_the_forecast(tree: nodes.Expression) -> None:
    plain = Compiler(FIRESTORE).condition(tree, SCOPE)
    metered = MeteredCompiler(FIRESTORE).condition(tree, SCOPE)
    counting = context()
    before = counting.remaining
    assert outcome(metered, counting) == outcome(plain, context())
    assert 0 <= before - counting.remaining <= CostBook().most(tree, SCOPE)


@given(expressions, st.integers(0, 20))
def test_a_budget_that_runs_out_stops_everything(tree: nodes.Expression, budget: int) -> None:
    metered = MeteredCompiler(FIRESTORE).condition(tree, SCOPE)
    counting = context()
    counting.remaining = budget
    try:
        metered(counting)
    except EvaluationStopped:
        assert counting.remaining < 0
    except RulesError:
        assert counting.remaining >= 0
    else:
        assert counting.remaining >= 0


@given(texts)
def test_any_text_loads_or_is_refused_with_a_place(text: str) -> None:
    for whole in (text, condition_ruleset(text)):
        loaded = load_ruleset(SourceText("firestore.rules", whole))
        for issue in loaded.issues:
            assert 0 <= issue.span.start <= issue.span.end <= len(whole)
            assert issue.position.line >= 1
        assert (loaded.ruleset is None) == any(
            issue.severity.value == "ERROR" for issue in loaded.issues
        )


# --- rules are not filters ------------------------------------------------------------------------

# No whole float: a query finds 1.0 for 1, while `is`, and `in` of a list, tell them apart. Both
# official runtimes read a field that is filtered by `==` as the filter's value all the same, and so
# do we.
_values = st.one_of(
    st.none(),
    st.integers(0, 4),
    st.sampled_from([0.5, 2.5, "a", "b", "c"]),
)
_documents = st.dictionaries(
    st.sampled_from(["n", "m", "s"]),
    st.one_of(_values, st.fixed_dictionaries({"x": _values})),
    max_size=3,
).flatmap(
    lambda data: st.lists(st.one_of(_values), max_size=3).map(lambda tags: {**data, "tags": tags})
)
_constraints = st.one_of(
    st.builds(
        QueryConstraint,
        st.sampled_from([("n",), ("m",), ("s",), ("m", "x")]),
        st.sampled_from(
            [each for each in Comparator if each.value in ("EQ", "NEQ", "LT", "LTE", "GT", "GTE")]
        ),
        _values,
    ),
    st.builds(
        QueryConstraint,
        st.sampled_from([("n",), ("s",)]),
        st.sampled_from([Comparator.IN, Comparator.NOT_IN]),
        st.lists(_values, min_size=1, max_size=3),
    ),
    st.builds(QueryConstraint, st.just(("tags",)), st.just(Comparator.LIST_CONTAINS), _values),
    st.builds(
        QueryConstraint,
        st.just(("tags",)),
        st.just(Comparator.LIST_CONTAINS_ANY),
        st.lists(_values, min_size=1, max_size=3),
    ),
)


def satisfies(data: dict[str, Any], constraint: QueryConstraint) -> bool:
    """Say whether Firestore would return a document, as its documentation has filters."""
    value: Any = data
    for step in constraint.field:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    operand: Any = constraint.value
    match constraint.comparator:
        case Comparator.EQ:
            return plainly_equal(value, operand)
        case Comparator.NEQ:
            return value is not None and not plainly_equal(value, operand)
        case Comparator.IN:
            return any(plainly_equal(value, each) for each in operand)
        case Comparator.NOT_IN:
            return value is not None and not any(plainly_equal(value, each) for each in operand)
        case Comparator.LIST_CONTAINS:
            return isinstance(value, list) and any(plainly_equal(each, operand) for each in value)
        case Comparator.LIST_CONTAINS_ANY:
            return isinstance(value, list) and any(
                plainly_equal(each, wanted) for each in value for wanted in operand
            )
    pair = ordering_operands(value, operand)
    if pair is None:
        return False
    left, right = pair
    compared = {
        Comparator.LT: left < right,  # type: ignore[operator]
        Comparator.LTE: left <= right,  # type: ignore[operator]
        Comparator.GT: left > right,  # type: ignore[operator]
        Comparator.GTE: left >= right,  # type: ignore[operator]
    }
    return compared[constraint.comparator]


def ruleset_for(condition: nodes.Expression) -> CompiledRuleset:
    text = condition_ruleset(None).replace(
        "allow get;", f"allow get, list: if {nodes.unparse(condition)};"
    )
    loaded = load_ruleset(SourceText("firestore.rules", text))
    assert loaded.ruleset is not None, loaded.issues
    return loaded.ruleset


def may_list(ruleset: CompiledRuleset, disjuncts: list[list[QueryConstraint]]) -> bool:
    query = RulesQuery(
        collection_id="notes", disjuncts=tuple(tuple(disjunct) for disjunct in disjuncts)
    )
    request = RulesRequest(FIRESTORE, Method.LIST, (*ROOT, "notes"), None, NOW, query=query)
    return ruleset.decide(request, NO_DOCUMENTS).allowed


def may_get(ruleset: CompiledRuleset, data: dict[str, Any]) -> bool:
    resource = RulesResource(data, RulesPath(PATH))
    request = RulesRequest(FIRESTORE, Method.GET, PATH, None, NOW, resource)
    return ruleset.decide(request, NO_DOCUMENTS).allowed


def literal(value: object) -> nodes.Expression:
    if value is None:
        return nodes.NullLiteral()
    if isinstance(value, str):
        return nodes.StringLiteral(value)
    if isinstance(value, float):
        return nodes.FloatLiteral(value)
    assert isinstance(value, int)
    return nodes.IntLiteral(value)


def comparisons_near(constraint: QueryConstraint) -> st.SearchStrategy[nodes.Expression]:
    """Draw comparisons of a constraint's field, mostly with its own operands."""
    member: nodes.Expression = nodes.Member(nodes.Variable("resource"), "data")
    for step in constraint.field:
        member = nodes.Member(member, step)
    operands = constraint.value if isinstance(constraint.value, list) else [constraint.value]
    constants = st.one_of(st.sampled_from(operands), _values).map(literal)
    if constraint.field == ("tags",):
        return st.builds(nodes.Binary, st.just("in"), constants, st.just(member))
    symbols = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    lists = st.lists(constants, max_size=4).map(lambda items: nodes.ListLiteral(tuple(items)))
    return st.one_of(
        st.builds(nodes.Binary, symbols, st.just(member), constants),
        st.builds(nodes.Binary, symbols, constants, st.just(member)),
        st.builds(nodes.Binary, st.just("in"), st.just(member), lists),
    )


@st.composite
def list_cases(
    draw: st.DrawFn,
) -> tuple[nodes.Expression, list[list[QueryConstraint]], list[dict[str, Any]]]:
    """Draw a condition about a filter's fields, and documents that the filter tends to return."""
    disjuncts = draw(
        st.lists(st.lists(_constraints, min_size=1, max_size=3), min_size=1, max_size=2)
    )
    every = [constraint for disjunct in disjuncts for constraint in disjunct]
    near = [*map(comparisons_near, every)]
    atoms = st.one_of(*near, *near, whole_document_comparisons, conditions)
    condition = draw(
        st.recursive(
            atoms,
            lambda inner: st.one_of(
                st.builds(nodes.Binary, st.sampled_from(["&&", "||"]), inner, inner),
                st.builds(nodes.Unary, st.just("!"), inner),
                st.builds(nodes.Conditional, inner, inner, inner),
            ),
            max_leaves=4,
        )
    )
    documents = []
    for _ in range(draw(st.integers(1, 6))):
        data = dict(draw(_documents))
        for constraint in draw(st.sampled_from(disjuncts)):
            operand = constraint.value
            operands = operand if isinstance(operand, list) else [operand]
            value = draw(st.one_of(st.sampled_from(operands), _values))
            if constraint.field == ("m", "x"):
                data["m"] = {"x": value}
            elif constraint.field == ("tags",):
                data["tags"] = [value, *data["tags"]]
            else:
                data[constraint.field[0]] = value
        documents.append(data)
    return condition, disjuncts, documents


@given(list_cases())
def test_an_allowed_list_returns_only_documents_that_a_get_would_allow(
    case: tuple[nodes.Expression, list[list[QueryConstraint]], list[dict[str, Any]]],
) -> None:
    """Rules are not filters: a query is allowed only if every possible result would be."""
    condition, disjuncts, documents = case
    ruleset = ruleset_for(condition)
    if not may_list(ruleset, disjuncts):
        return
    for data in documents:
        if any(all(satisfies(data, each) for each in disjunct) for disjunct in disjuncts):
            assert may_get(ruleset, data)


_SYMBOLS = {"EQ": "==", "NEQ": "!=", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}


@given(
    st.sampled_from([("n",), ("m", "x")]),
    st.sampled_from(sorted(_SYMBOLS)),
    # Null has no order in rules, and no document is less than it in a query.
    _values.filter(lambda value: value is not None),
)
def test_a_condition_equal_to_the_filter_is_shown_by_it(
    field: tuple[str, ...], comparator: str, value: RulesValue
) -> None:
    """The proofs are not empty: each comparison shows itself."""
    constraint = QueryConstraint(field, Comparator(comparator), value)
    condition = parse_expression(
        f"resource.data.{'.'.join(field)} {_SYMBOLS[comparator]} {nodes.unparse(literal(value))}"
    )
    assert may_list(ruleset_for(condition), [[constraint]])


@given(conditions, _documents)
def test_an_explanation_grants_what_the_decision_grants(
    condition: nodes.Expression, data: dict[str, Any]
) -> None:
    resource = RulesResource(data, RulesPath(PATH))
    request = RulesRequest(FIRESTORE, Method.GET, PATH, None, NOW, resource)
    ruleset = ruleset_for(condition)
    decision = ruleset.decide(request, NO_DOCUMENTS)
    (explanation,) = ruleset.explain(request, NO_DOCUMENTS)
    assert explanation.granted == decision.allowed
    if not decision.allowed:
        cause = explanation.error or "false"
        assert [reason.text for reason in decision.reasons] == [f"{cause} for 'get' @ L4"]


# --- values ---------------------------------------------------------------------------------------

any_values: st.SearchStrategy[RulesValue] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 2),
        st.sampled_from([0.0, -0.0, 1.0, 2.0, float("nan")]),
        st.sampled_from(["", "a"]),
        st.binary(max_size=1),
        st.builds(RulesTimestamp, st.integers(0, 2)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(any_values, any_values)
def test_equality_is_symmetric_and_strict_equality_implies_membership(
    left: RulesValue, right: RulesValue
) -> None:
    assert plainly_equal(left, right) == plainly_equal(right, left)
    assert strictly_equal(left, right) == strictly_equal(right, left)
    if strictly_equal(left, right):
        assert membership_key(left) == membership_key(right)
    if type(left) is type(right) and is_element(left, [right]):
        assert membership_key(left) == membership_key(right)


@given(any_values)
def test_a_value_is_strictly_equal_to_itself(value: RulesValue) -> None:
    assert strictly_equal(value, value)
