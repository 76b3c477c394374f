"""Dart text as the few shapes that matter for client calls: names, texts, call chains, members.

The parsing itself is tree-sitter's; here its tree becomes a small model without types, operators or
control flow. What a chain *means* is `contract.py`'s business. A file with syntax errors is read as
far as it goes, and says where it was not understood.

Source: the Dart language specification, "Expressions"; grammar of the package tree-sitter-dart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

import tree_sitter
import tree_sitter_dart

from harness.source import SourcePosition, SourceText

_MEMBER_SIGNATURES = frozenset({"method_signature", "function_signature", "getter_signature"})
_VARIABLE_DEFINITIONS = frozenset(
    {"initialized_variable_definition", "initialized_identifier", "static_final_declaration"}
)
_VARIABLE_LISTS = frozenset(
    {"declaration", "static_final_declaration_list", "top_level_variable_declaration"}
)
_SELECTORS = frozenset({"selector", "cascade_section"})
_NOISE = frozenset({"comment", "documentation_comment", "annotation", "nullable_type"})
_DECLARATION_WORDS = frozenset(
    {"type_identifier", "type_arguments", "inferred_type", "final_builtin", "const_builtin", "late"}
)


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier, or `this`."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal: its parts are plain text and the expressions it interpolates."""

    parts: tuple[str | Expression, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a boolean or null."""

    value: int | float | bool | None


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a call is given."""

    positional: tuple[Expression, ...] = ()
    named: dict[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a chain: `.name`, or a call of what came before when `name` is None."""

    position: SourcePosition
    name: str | None
    arguments: Arguments | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """`head.link.link(…)`, such as `db.collection('groups').get()`."""

    head: Expression
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Closure:
    """A function literal: what its body does, in order."""

    steps: tuple[Step, ...]
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compound:
    """Any other expression, as the expressions in it: `a ?? b`, `c ? a : b`, a list, a map."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Assign:
    """`name = value`, with or without a declaration."""

    name: str
    value: Expression
    is_declaration: bool


@dataclass(frozen=True, slots=True)
class Return:
    """A returned value; an expression body returns its expression."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Evaluate:
    """An expression for its effect."""

    value: Expression


Expression: TypeAlias = Name | Text | Literal | Chain | Closure | Compound
Step: TypeAlias = Assign | Return | Evaluate


@dataclass(frozen=True, slots=True)
class Member:
    """A function, method, getter, constructor or initialised variable of a class or of the file."""

    owner: str | None
    name: str
    parameters: tuple[str, ...]
    steps: tuple[Step, ...]
    position: SourcePosition


@dataclass(frozen=True, slots=True)
class DartFile:
    """One file: its members, and the places that the parser did not understand."""

    file_name: str
    members: tuple[Member, ...]
    not_understood: tuple[SourcePosition, ...]
    late_fields: frozenset[tuple[str, str]] = frozenset()
    """Owner and name of each field that a member sets before it is read: `late Query q;`."""


def parse_dart(source: SourceText) -> DartFile:
    """Read one Dart file. Never fails: what is not Dart ends up in `not_understood`."""
    reader = _Reader(source)
    root = _parser().parse(reader.encoded).root_node
    members = tuple(reader.members(root, owner=None))
    errors = tuple(reader.errors(root))
    return DartFile(source.file_name, members, errors, frozenset(reader.late_fields))


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_dart.language()))


class _Reader:
    """Turns tree-sitter nodes of one file into the model."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.encoded = source.text.encode()
        self.late_fields: set[tuple[str, str]] = set()

    def text(self, node: tree_sitter.Node) -> str:
        return self.encoded[node.start_byte : node.end_byte].decode(errors="replace")

    def position(self, node: tree_sitter.Node) -> SourcePosition:
        row, byte_column = node.start_point
        line_start = node.start_byte - byte_column
        column = len(self.encoded[line_start : node.start_byte].decode(errors="replace"))
        return SourcePosition(self.source.file_name, row + 1, column + 1)

    def errors(self, root: tree_sitter.Node) -> Iterator[SourcePosition]:
        if not root.has_error:
            return
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if node.is_error or node.is_missing:
                yield self.position(node)
            elif node.has_error:
                waiting.extend(reversed(node.children))

    def members(self, node: tree_sitter.Node, owner: str | None) -> Iterator[Member]:
        signature: tree_sitter.Node | None = None
        for child in _meaningful(node):
            if child.type in {"class_definition", "mixin_declaration", "extension_declaration"}:
                yield from self._class_members(child)
            elif child.type in _MEMBER_SIGNATURES:
                signature = child
            elif child.type == "function_body" and signature is not None:
                yield self._function(signature, child, owner)
                signature = None
            elif child.type in _VARIABLE_LISTS:
                yield from self._variables(child, owner)

    def _class_members(self, node: tree_sitter.Node) -> Iterator[Member]:
        name = next((self.text(c) for c in node.children if c.type == "identifier"), None)
        for child in node.children:
            if child.type in {"class_body", "extension_body"}:
                yield from self.members(child, name)

    def _function(
        self, signature: tree_sitter.Node, body: tree_sitter.Node, owner: str | None
    ) -> Member:
        inner = signature
        while (nested := _child_of(inner, {"function_signature", "getter_signature"})) is not None:
            inner = nested
        name_node = _child_of(inner, {"identifier"}) or _child_of(signature, {"identifier"})
        parameters = _child_of(inner, {"formal_parameter_list"})
        return Member(
            owner=owner,
            name=self.text(name_node) if name_node is not None else "",
            parameters=tuple(self._parameters(parameters)),
            steps=tuple(self.body_steps(body)),
            position=self.position(signature),
        )

    def _parameters(self, node: tree_sitter.Node | None) -> Iterator[str]:
        waiting = [node] if node is not None else []
        while waiting:
            current = waiting.pop(0)
            if current.type == "formal_parameter":
                names = [
                    c for c in current.children if c.type in {"identifier", "constructor_param"}
                ]
                if names:
                    yield self.text(names[-1]).removeprefix("this.")
            else:
                waiting = [*current.named_children, *waiting]

    def _variables(self, node: tree_sitter.Node, owner: str | None) -> Iterator[Member]:
        waiting = [node]
        is_late = owner is not None and _child_of(node, {"late"}) is not None
        while waiting:
            current = waiting.pop(0)
            if current.type in _VARIABLE_DEFINITIONS or current.type == "field_initializer":
                name = _child_of(current, {"identifier"})
                value = self._after_name(current, name)
                if name is not None and value is not None:
                    steps = (Return(value),)
                    yield Member(owner, self.text(name), (), steps, self.position(current))
                elif name is not None and owner is not None and is_late:
                    self.late_fields.add((owner, self.text(name)))
            elif current.type != "function_body":
                waiting = [*current.named_children, *waiting]

    def _after_name(
        self, node: tree_sitter.Node, name: tree_sitter.Node | None
    ) -> Expression | None:
        """The value in `type name = value`; None when there is no value."""
        if name is None:
            return None
        rest = [c for c in _meaningful(node) if c.start_byte >= name.end_byte]
        values = [value for value, _ in self.expressions(rest)]
        return values[-1] if values else None

    def body_steps(self, body: tree_sitter.Node) -> Iterator[Step]:
        """What a body does. `=> value` returns it; a block is a list of statements."""
        block = _child_of(body, {"block"})
        if block is not None:
            yield from self.steps(block)
            return
        for value, _ in self.expressions(_meaningful(body)):
            yield Return(value)

    def steps(self, node: tree_sitter.Node) -> Iterator[Step]:
        if node.type in _VARIABLE_DEFINITIONS:
            name = _child_of(node, {"identifier"})
            value = self._after_name(node, name)
            if name is not None and value is not None:
                yield Assign(self.text(name), value, is_declaration=True)
            return
        if node.type == "assignment_expression":
            yield from self._assignment(node)
            return
        if node.type == "for_loop_parts" and node.child_by_field_name("init") is None:
            # `for (final doc in docs)`: the loop's variable is each of them in turn.
            name = node.child_by_field_name("name")
            value = self._after_name(node, name)
            if name is not None and value is not None:
                yield Assign(self.text(name), value, is_declaration=True)
                return
        if node.type == "return_statement":
            values = [value for value, _ in self.expressions(_meaningful(node))]
            if values:
                yield Return(values[0])
            return
        run: list[tree_sitter.Node] = []
        for child in _meaningful(node):
            if _is_statement(child):
                yield from self._flush(run)
                run = []
                yield from self.steps(child)
            else:
                run.append(child)
        yield from self._flush(run)

    def _flush(self, run: list[tree_sitter.Node]) -> Iterator[Step]:
        for value, _ in self.expressions(run):
            yield Evaluate(value)

    def _assignment(self, node: tree_sitter.Node) -> Iterator[Step]:
        target, *rest = _meaningful(node)
        values = [value for value, _ in self.expressions(rest)]
        if values:
            yield Assign(self.text(target), values[-1], is_declaration=False)

    def expressions(
        self, nodes: Iterable[tree_sitter.Node]
    ) -> Iterator[tuple[Expression, tree_sitter.Node]]:
        """Group `head selector selector …` runs into one expression each."""
        head: tree_sitter.Node | None = None
        links: list[Link] = []
        for node in nodes:
            if node.type in _SELECTORS:
                links.extend(self._links(node))
                continue
            if head is not None:
                yield self._chain(head, links), head
            head, links = node, []
        if head is not None:
            yield self._chain(head, links), head

    def _chain(self, head: tree_sitter.Node, links: list[Link]) -> Expression:
        value = self.expression(head)
        return Chain(value, tuple(links)) if links else value

    def _links(self, selector: tree_sitter.Node) -> Iterator[Link]:
        for child in selector.named_children:
            if child.type == "argument_part":
                arguments = _child_of(child, {"arguments"})
                yield Link(self.position(child), None, self._arguments(arguments))
            elif child.type in {"unconditional_assignable_selector", "cascade_selector"} or (
                child.type == "conditional_assignable_selector"
            ):
                name = _child_of(child, {"identifier"})
                if name is not None:
                    yield Link(self.position(name), self.text(name))

    def _arguments(self, node: tree_sitter.Node | None) -> Arguments:
        positional: list[Expression] = []
        named: dict[str, Expression] = {}
        for child in _meaningful(node) if node is not None else ():
            if child.type == "argument":
                positional.extend(value for value, _ in self.expressions(_meaningful(child)))
            elif child.type == "named_argument":
                label, *rest = _meaningful(child)
                values = [value for value, _ in self.expressions(rest)]
                if values:
                    named[self.text(label).rstrip(": \t\n")] = values[-1]
        return Arguments(tuple(positional), named)

    def expression(self, node: tree_sitter.Node) -> Expression:
        kind = node.type
        if kind in {"identifier", "this", "super", "identifier_dollar_escaped"}:
            return Name(self.text(node))
        if kind == "string_literal":
            return self._text(node)
        if kind in {"decimal_integer_literal", "decimal_floating_point_literal"}:
            digits = self.text(node).replace("_", "")
            return Literal(int(digits) if digits.isdigit() else float(digits))
        if kind in {"true", "false"}:
            return Literal(kind == "true")
        if kind == "null_literal":
            return Literal(None)
        if kind in {"function_expression", "lambda_expression"}:
            body = _child_of(node, {"function_expression_body", "function_body"})
            parameters = _child_of(node, {"formal_parameter_list"})
            steps = tuple(self.body_steps(body)) if body is not None else ()
            return Closure(steps, tuple(self._parameters(parameters)))
        parts = tuple(value for value, _ in self.expressions(_meaningful(node)))
        return parts[0] if len(parts) == 1 else Compound(parts)

    def _text(self, node: tree_sitter.Node) -> Text:
        """A literal, or several adjacent ones, which Dart joins."""
        parts: list[str | Expression] = []
        at = node.start_byte
        for child in node.children:
            if child.type == "template_substitution":
                parts.append(self._plain(at, child.start_byte))
                values = [value for value, _ in self.expressions(_meaningful(child))]
                parts.extend(values[:1])
                at = child.end_byte
        parts.append(self._plain(at, node.end_byte))
        if isinstance(parts[0], str):
            parts[0] = parts[0].lstrip("r")
            for quote in ("'''", '"""', "'", '"'):
                if parts[0].startswith(quote):
                    parts[0] = parts[0][len(quote) :]
                    last = parts[-1]
                    parts[-1] = last.removesuffix(quote) if isinstance(last, str) else last
                    break
        return Text(tuple(part for part in parts if part != ""))

    def _plain(self, start: int, end: int) -> str:
        return self.encoded[start:end].decode(errors="replace")


def _meaningful(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    return [
        child
        for child in node.named_children
        if child.type not in _NOISE and child.type not in _DECLARATION_WORDS
    ]


def _child_of(node: tree_sitter.Node, kinds: set[str]) -> tree_sitter.Node | None:
    return next((child for child in node.children if child.type in kinds), None)


def _is_statement(node: tree_sitter.Node) -> bool:
    return (
        node.type.endswith(("_statement", "_declaration"))
        or node.type in _VARIABLE_DEFINITIONS
        or node.type in {"block", "assignment_expression", "finally_clause", "catch_clause"}
        or node.type == "for_loop_parts"
    )
