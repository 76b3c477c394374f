"""Strategies for expressions, conditions over documents, and rules text."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.rules import nodes

NAMES = st.sampled_from(["a", "b", "request", "resource", "math"])
FIELDS = st.sampled_from(["k", "n", "data", "auth", "uid", "size"])
TEXTS = st.one_of(
    st.sampled_from(["", "a", "b", "abc", "1", "k", "n", "\U0001f600", "\n'\"\\$"]),
    st.text(max_size=4),
)
INTS = st.one_of(
    st.integers(0, 5),
    st.sampled_from([2**53, 2**53 + 1, 2**63 - 1]),
)
FLOATS = st.one_of(
    st.sampled_from([0.0, 1.0, 1.5, 2.0, 1e7, 1e-7, 1e300, 5e-324]),
    st.floats(min_value=0, allow_nan=False, allow_infinity=False),
)
SEGMENT_TEXTS = st.sampled_from(["a", "users", "(default)", "x-1.y", "databases", "documents"])

_scalars = st.one_of(
    st.builds(nodes.NullLiteral),
    st.builds(nodes.BoolLiteral, st.booleans()),
    st.builds(nodes.IntLiteral, INTS),
    st.builds(nodes.FloatLiteral, FLOATS),
    st.builds(nodes.StringLiteral, TEXTS),
    st.builds(nodes.BytesLiteral, st.binary(max_size=3)),
)
_names = st.builds(nodes.Variable, NAMES)
_METHODS = st.sampled_from(
    [
        *("size", "keys", "values", "toSet", "lower", "hasAny", "hasAll", "hasOnly", "get", "diff"),
        *("addedKeys", "affectedKeys", "join", "concat", "union", "matches", "replace", "split"),
        "f",
    ]
)
_FUNCTIONS = st.sampled_from(["int", "float", "string", "path", "debug", "f", "g", "nosuch"])
_OPERATORS = st.sampled_from(sorted(nodes.PRECEDENCE.keys() - {"is"}))


def _compound(inner: st.SearchStrategy[nodes.Expression]) -> st.SearchStrategy[nodes.Expression]:
    some = st.lists(inner, max_size=2).map(tuple)
    segments = st.one_of(
        st.builds(nodes.LiteralSegment, SEGMENT_TEXTS),
        st.builds(nodes.WildcardSegment, st.just("w")),
        st.builds(nodes.RecursiveWildcard, st.just("w")),
        st.builds(nodes.InterpolatedSegment, inner),
    )
    return st.one_of(
        st.builds(nodes.Binary, _OPERATORS, inner, inner),
        st.builds(nodes.Binary, st.sampled_from(["&&", "||"]), inner, inner),
        st.builds(nodes.Unary, st.sampled_from(["!", "-"]), inner),
        st.builds(nodes.TypeTest, inner, st.sampled_from(sorted(nodes.TYPE_NAMES))),
        st.builds(nodes.Conditional, inner, inner, inner),
        st.builds(nodes.Member, inner, FIELDS),
        st.builds(nodes.Index, inner, inner),
        st.builds(nodes.Slice, inner, inner, inner),
        st.builds(nodes.Call, _FUNCTIONS, some),
        st.builds(nodes.MethodCall, inner, _METHODS, some),
        st.builds(nodes.MethodCall, st.just(nodes.Variable("math")), st.just("abs"), some),
        st.builds(nodes.ListLiteral, some),
        st.builds(nodes.MapLiteral, st.lists(st.tuples(inner, inner), max_size=2).map(tuple)),
        st.builds(nodes.PathLiteral, st.lists(segments, min_size=1, max_size=3).map(tuple)),
    )


expressions: st.SearchStrategy[nodes.Expression] = st.recursive(
    st.one_of(_scalars, _names), _compound, max_leaves=12
)

# Conditions that have values more often than errors: comparisons over a document's fields.
_field = st.sampled_from(["n", "m", "s", "tags", "nope"])
_data = st.builds(
    nodes.Member,
    st.just(nodes.Member(nodes.Variable("resource"), "data")),
    _field,
)
_nested = st.builds(nodes.Member, _data, st.just("x"))
_constants: st.SearchStrategy[nodes.Expression] = st.one_of(
    st.builds(nodes.IntLiteral, st.integers(0, 4)),
    st.builds(nodes.FloatLiteral, st.sampled_from([0.5, 2.5])),
    st.builds(nodes.StringLiteral, st.sampled_from(["a", "b", "c"])),
    st.builds(nodes.NullLiteral),
    st.builds(nodes.ListLiteral, st.just((nodes.StringLiteral("a"), nodes.IntLiteral(1)))),
)
_operands = st.one_of(_data, _nested, _constants)
_whole = nodes.Member(nodes.Variable("resource"), "data")
_field_names = st.builds(nodes.StringLiteral, _field)
# About a document as a whole: what a list request must not take its partial view for.
whole_document_comparisons: st.SearchStrategy[nodes.Expression] = st.one_of(
    st.builds(nodes.Binary, st.just("in"), _field_names, st.just(_whole)),
    st.builds(
        nodes.Binary,
        st.just("=="),
        st.builds(
            nodes.MethodCall, st.just(_whole), st.just("get"), st.tuples(_field_names, _constants)
        ),
        _constants,
    ),
    st.builds(
        nodes.MethodCall,
        st.just(nodes.MethodCall(_whole, "keys", ())),
        st.sampled_from(["hasOnly", "hasAll", "hasAny"]),
        st.lists(_field_names, max_size=4).map(lambda names: (nodes.ListLiteral(tuple(names)),)),
    ),
)
_comparisons: st.SearchStrategy[nodes.Expression] = st.one_of(
    st.builds(
        nodes.Binary,
        st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
        _operands,
        _operands,
    ),
    st.builds(nodes.Binary, st.just("in"), _operands, _operands),
    whole_document_comparisons,
    st.builds(
        nodes.Binary,
        st.just("<"),
        st.builds(nodes.MethodCall, _data, st.just("size"), st.just(())),
        _constants,
    ),
)
conditions: st.SearchStrategy[nodes.Expression] = st.recursive(
    _comparisons,
    lambda inner: st.one_of(
        st.builds(nodes.Binary, st.sampled_from(["&&", "||"]), inner, inner),
        st.builds(nodes.Unary, st.just("!"), inner),
        st.builds(nodes.Conditional, inner, inner, inner),
    ),
    max_leaves=6,
)

# Text that looks like rules, and text that does not.
fragments = st.sampled_from(
    [
        *("service", "cloud", ".", "firestore", "firebase", "storage", "match", "allow", "read"),
        *("get", ":", "if", "{", "}", "(", ")", "[", "]", ",", ";", "/", "$(", "=**", "**"),
        *("/{id}", "/a", "function", "f", "return", "let", "=", "true", "false", "null", "'a'"),
        *('"', "'", "\\", "1", "2.5", "+", "-", "!", "&&", "||", "==", "!=", "<", "in", "is"),
        *("int", "?", "//", "/*", "*/", "b'x'", "rules_version", "'2'", "\n", "\t", "#", "é"),
        "9223372036854775808",
    ]
)
texts = st.one_of(
    st.lists(fragments, max_size=30).map(" ".join),
    st.lists(fragments, max_size=30).map("".join),
    st.text(max_size=30),
)
