"""Grammar, precedence, spans, and where syntax errors are."""

from __future__ import annotations

import pytest

from harness.rules import nodes
from harness.rules.parser import SyntaxProblem, parse_expression, parse_ruleset
from harness.rules.ruleset import load_ruleset
from harness.source import SourceText, Span
from tests.rules.corpus import condition_ruleset


def grouped(node: nodes.Expression) -> str:
    """Write an expression with every operator in parentheses."""
    match node:
        case nodes.Binary(operator=operator, left=left, right=right):
            return f"({grouped(left)} {operator} {grouped(right)})"
        case nodes.TypeTest(operand=operand, type_name=name):
            return f"({grouped(operand)} is {name})"
        case nodes.Unary(operator=operator, operand=operand):
            return f"({operator}{grouped(operand)})"
        case nodes.Conditional(condition=condition, when_true=yes, when_false=no):
            return f"({grouped(condition)} ? {grouped(yes)} : {grouped(no)})"
        case _:
            return nodes.unparse(node)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a || b && c", "(a || (b && c))"),
        ("a && b || c && d", "((a && b) || (c && d))"),
        ("a == b && c", "((a == b) && c)"),
        ("a == b in c", "(a == (b in c))"),
        ("a in b == c", "((a in b) == c)"),
        ("a is int == true", "((a is int) == true)"),
        ("a < b in c", "((a < b) in c)"),
        ("a + b < c * d", "((a + b) < (c * d))"),
        ("a - b - c", "((a - b) - c)"),
        ("a / b * c % d", "(((a / b) * c) % d)"),
        ("!a == b", "((!a) == b)"),
        ("-a + b", "((-a) + b)"),
        ("!!a", "(!(!a))"),
        ("--a", "(-(-a))"),
        ("-a.b", "(-a.b)"),
        ("!a.b()", "(!a.b())"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("a ? b ? c : d : e", "(a ? (b ? c : d) : e)"),
        ("a || b ? c : d", "((a || b) ? c : d)"),
        ("(a || b) && c", "((a || b) && c)"),
        ("a == b != c", "((a == b) != c)"),
    ],
)
def test_operators_bind_as_documented(text: str, expected: str) -> None:
    assert grouped(parse_expression(text)) == expected


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("a + b", 0, 5),
        (" (a + b).c ", 1, 10),
        ("f(x)[1]", 0, 7),
        ("a[1:2]", 0, 6),
        ("x is int", 0, 8),
        ("-1", 0, 2),
        ("a ? b : c", 0, 9),
        ("/a/$(b)/c", 0, 9),
        ("{'a': 1}", 0, 8),
    ],
)
def test_a_node_spans_its_text(text: str, start: int, end: int) -> None:
    assert parse_expression(text).span == Span(start, end)


@pytest.mark.parametrize(
    ("condition", "column", "description"),
    [
        ("", 1, "Unexpected ';'."),
        ("1 +", 4, "Unexpected ';'."),
        ("(1", 3, "mismatched input ';' expecting {')'}"),
        ("[1", 3, "mismatched input ';' expecting {']'}"),
        ("a.", 3, "mismatched input ';' expecting {IDENTIFIER}"),
        ("a.1", 3, "mismatched input '1' expecting {IDENTIFIER}"),
        ("f(1,)", 5, "Unexpected ')'."),
        ("{'a' 1}", 6, "mismatched input '1' expecting {':'}"),
        ("a ? b", 6, "mismatched input ';' expecting {':'}"),
        ("let", 1, "Unexpected 'let'."),
        ("a b", 3, "Unexpected 'b'."),
        ("4/2", 2, "Missing 'match' keyword before path."),
        ("/a /b", 4, "Missing 'match' keyword before path."),
        ("'\\d'", 2, "Unexpected '\\d'."),
        ("b'\\d'", 3, "Unexpected '\\d'."),
        ("99999999999999999999", 1, "Integer literal '99999999999999999999' is out of range."),
        ("x is", 5, "mismatched input ';' expecting {IDENTIFIER}"),
        ("/a/$(b", 7, "mismatched input ';' expecting {')'}"),
    ],
)
def test_a_syntax_error_has_its_place(condition: str, column: int, description: str) -> None:
    text = condition_ruleset(condition)
    offset = text.index("if ") + 3
    loaded = load_ruleset(SourceText("firestore.rules", text))
    assert loaded.ruleset is None
    (issue,) = loaded.issues
    begin = offset - text.rindex("\n", 0, offset)
    assert (issue.position.line, issue.position.column - begin + 1, issue.description) == (
        4,
        column,
        description,
    )
    assert issue.severity.value == "ERROR"


def nested(levels: int) -> str:
    return "(" * levels + "1 == 1" + ")" * levels


def right_nested(operators: int) -> str:
    return "1 == 1 && (" * (operators - 1) + "1 == 1 && 1 == 1" + ")" * (operators - 1)


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        (nested(97), True),
        (nested(98), False),
        (" && ".join(["1 == 1"] * 98), True),
        (" && ".join(["1 == 1"] * 99), False),
        (right_nested(48), True),
        (right_nested(50), False),
        ("(" * 10_000, False),
        ("!" * 10_000 + "x", False),
        ("x" + ".y" * 10_000, False),
        ("[" * 10_000 + "]" * 10_000, False),
        ("/$(" * 10_000, False),
        ("a ? " * 10_000, False),
    ],
    ids=lambda value: str(value)[:20],
)
def test_deep_expressions_are_refused_where_production_refuses_them(
    text: str, accepted: bool
) -> None:
    if accepted:
        parse_expression(text)
        return
    with pytest.raises(SyntaxProblem, match=r"^Expression is too complex to evaluate safely\.$"):
        parse_expression(text)


def test_match_blocks_nest_ten_deep_and_no_deeper() -> None:
    def text(depth: int) -> str:
        return "service cloud.firestore {" + "match /a {" * depth + "}" * depth + "}"

    parse_ruleset(SourceText("firestore.rules", text(10)))
    with pytest.raises(SyntaxProblem, match="Maximum allowed match depth"):
        parse_ruleset(SourceText("firestore.rules", text(11)))
    with pytest.raises(SyntaxProblem, match="Maximum allowed match depth"):
        parse_ruleset(SourceText("firestore.rules", text(20_000)))


def test_a_ruleset_is_read_with_all_its_parts() -> None:
    text = """rules_version = '2';
function signedIn() { return request.auth != null; }
service cloud.firestore {
  match /databases/{db}/documents {
    match /notes/{id} {
      function mine(d) { let me = request.auth.uid; return d.owner == me; }
      allow get, list: if signedIn();
      allow write;
    }
  }
}
"""
    tree = parse_ruleset(SourceText("firestore.rules", text))
    assert tree.version == "2"
    assert nodes.unparse(tree).split() == text.split()
    assert parse_ruleset(SourceText("again", nodes.unparse(tree))) == tree
