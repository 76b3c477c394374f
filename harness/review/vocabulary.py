"""The words that a ruleset speaks of: literals, fields, claims.

What a rule compares with is where its answer changes, so neighbours and seeds are made of these
words. Nothing here evaluates; which word belongs to which field is not looked into.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.rules import nodes
from harness.rules.request import FIRESTORE
from harness.rules.ruleset import CompiledRuleset
from harness.rules.scope import ResolvedRuleset

# Members of `request`, `resource` and what they hold that are no fields of documents.
_NOT_FIELDS = frozenset(
    {"auth", "data", "id", "limit", "method", "offset", "orderBy", "path", "query", "request"}
    | {"resource", "time", "token", "uid", "__name__"}
)
# Where paths of all documents and objects begin.
_PATH_HEADS = frozenset({"databases", "(default)", "documents", "b", "o"})
# Their arguments are names of fields, not values.
_KEY_METHODS = frozenset({"hasAll", "hasAny", "hasOnly"})
# Their arguments are patterns, which no field holds.
_PATTERN_METHODS = frozenset({"matches", "replace", "split"})


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a ruleset speaks of, each word once, in the order of the text.

    Args:
        strings: String literals, without patterns and names of fields.
        numbers: Integers, computed where the text computes them (`5 * 1024`).
        fields: Names of fields of documents and of custom metadata.
        claims: Names below `request.auth.token`.
        segments: What match patterns and paths spell out.
        ids: Those of them that are ids of documents, or parts of the names of objects.
        compared: For a field or claim, the strings and numbers that the text compares it with.
    """

    strings: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    fields: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    compared: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)


NO_WORDS = Vocabulary()


def vocabulary(*rulesets: CompiledRuleset) -> Vocabulary:
    """Return the words that rulesets speak of."""
    words = _Words()
    for ruleset in rulesets:
        for root in expressions(ruleset.resolved):
            words.read(root)
        for service, matches in ruleset.resolved.matches.items():
            for match in matches:
                words.path(match.pattern, is_firestore=service == FIRESTORE)
    # Names of fields that a function is given look like values.
    strings = sorted(words.strings, key=lambda text: text in words.fields)
    return Vocabulary(
        tuple(strings),
        tuple(words.numbers),
        tuple(words.fields),
        tuple(words.claims),
        tuple(words.segments),
        tuple(words.ids),
        {name: tuple(values) for name, values in words.compared.items()},
    )


def expressions(resolved: ResolvedRuleset) -> Iterator[nodes.Expression]:
    """Yield the outermost expressions of a ruleset: conditions, lets, bodies of functions."""
    for rules in resolved.rules.values():
        for rule in rules:
            if rule.statement.condition is not None:
                yield rule.statement.condition
    for symbol in resolved.functions:
        yield from (let.value for let in symbol.declaration.lets)
        yield symbol.declaration.body


def number_of(node: nodes.Expression) -> int | None:
    """Return the integer that an expression of integers is; None for anything else."""
    match node:
        case nodes.IntLiteral(value=value):
            return value
        case nodes.Unary(operator="-", operand=operand):
            inner = number_of(operand)
            return None if inner is None else -inner
        case nodes.Binary(operator=symbol, left=left, right=right) if symbol in _ARITHMETIC:
            first, second = number_of(left), number_of(right)
            if first is None or second is None:
                return None
            return _ARITHMETIC[symbol](first, second)
        case _:
            return None


# Division is left out: nobody divides literals, and its rounding is not Python's.
_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}


_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})


def _last_name(node: nodes.Expression) -> str | None:
    """Return the field that an expression reads, or measures: `a.b`, `a.get('b', 0)`,
    `a.b.size()`.
    """
    match node:
        case nodes.Member(name=name) | nodes.Index(index=nodes.StringLiteral(value=name)):
            return name
        case nodes.MethodCall(name="get", arguments=(nodes.StringLiteral(value=name), *_)):
            return name
        case nodes.MethodCall(receiver, "size", ()):
            return _last_name(receiver)
        case _:
            return None


def is_token(node: nodes.Expression) -> bool:
    """Say whether an expression is `request.auth.token`."""
    match node:
        case nodes.Member(
            nodes.Member(nodes.Variable("request"), "auth"),
            "token",
        ):
            return True
        case _:
            return False


class _Words:
    """Collects; dicts stand for ordered sets."""

    def __init__(self) -> None:
        self.strings: dict[str, None] = {}
        self.numbers: dict[int, None] = {}
        self.fields: dict[str, None] = {}
        self.claims: dict[str, None] = {}
        self.segments: dict[str, None] = {}
        self.ids: dict[str, None] = {}
        self.compared: dict[str, dict[str | int, None]] = {}

    def read(self, root: nodes.Expression) -> None:
        """Note the words of an expression."""
        # A list is walked from its end, so that words come in the order of the text.
        pending = [root]
        while pending:
            node = pending.pop()
            number = number_of(node)
            if number is not None:
                self.numbers[number] = None
                continue
            pending.extend(reversed(self._read_one(node)))

    def path(self, segments: Sequence[object], *, is_firestore: bool) -> None:
        """Note what a pattern or a path spells out."""
        for place, segment in enumerate(segments):
            if isinstance(segment, nodes.LiteralSegment) and segment.text not in _PATH_HEADS:
                self.segments[segment.text] = None
                if not is_firestore or place % 2 == 0:
                    # Behind databases, the database and documents: a collection, an id, and so on.
                    self.ids[segment.text] = None

    def _read_one(self, node: nodes.Expression) -> list[nodes.Expression]:
        """Note what one node says; return the parts that are still to be read."""
        match node:
            case nodes.StringLiteral(value=text):
                self.strings[text] = None
            case nodes.Member(receiver=receiver, name=name):
                self._name(receiver, name)
            case nodes.Index(receiver=receiver, index=nodes.StringLiteral(value=name)):
                self._name(receiver, name)
                return [receiver]
            case nodes.Binary("in", nodes.StringLiteral(value=name), right) if not isinstance(
                right, nodes.ListLiteral
            ):
                # `'x' in resource.data` as well as `'x' in resource.data.roles`.
                self._name(right, name)
                self.strings[name] = None
                return [right]
            case nodes.Binary(symbol, left, right) if symbol in _COMPARISONS:
                self._compared(left, right)
                self._compared(right, left)
            case nodes.PathLiteral(segments=segments):
                # Rules look up documents only, also those of Storage.
                self.path(segments, is_firestore=True)
            case nodes.MethodCall(receiver, "get", (key, *default)):
                for part in key.items if isinstance(key, nodes.ListLiteral) else (key,):
                    if isinstance(part, nodes.StringLiteral):
                        self._name(receiver, part.value)
                return [receiver, *default]
            case nodes.MethodCall(receiver, name, arguments) if name in _KEY_METHODS:
                return [receiver, *self._keys(arguments)]
            case nodes.MethodCall(receiver, name, _) if name in _PATTERN_METHODS:
                return [receiver]
            case _:
                pass
        return list(nodes.children(node))

    def _name(self, receiver: nodes.Expression, name: str) -> None:
        if is_token(receiver):
            self.claims[name] = None
        elif name not in _NOT_FIELDS:
            self.fields[name] = None

    def _compared(self, side: nodes.Expression, other: nodes.Expression) -> None:
        name = _last_name(side)
        if name is None:
            return
        known = self.compared.setdefault(name, {})
        for item in other.items if isinstance(other, nodes.ListLiteral) else (other,):
            number = number_of(item)
            if isinstance(item, nodes.StringLiteral):
                known[item.value] = None
            elif number is not None:
                known[number] = None

    def _keys(self, arguments: tuple[nodes.Expression, ...]) -> list[nodes.Expression]:
        others: list[nodes.Expression] = []
        for argument in arguments:
            for item in argument.items if isinstance(argument, nodes.ListLiteral) else (argument,):
                if isinstance(item, nodes.StringLiteral):
                    self.fields[item.value] = None
                else:
                    others.append(item)
        return others
