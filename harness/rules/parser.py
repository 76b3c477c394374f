"""Tokens to a syntax tree, by recursive descent. The words of syntax errors are here.

The first syntax error ends the parse: what would follow from it is guesswork. What a tree means,
and whether its names exist, is for `check.py`.
"""

from __future__ import annotations

from typing import NoReturn

from harness.rules import lexer, limits, nodes
from harness.rules.lexer import BAD, END, NAME
from harness.rules.values import INT_MAX
from harness.source import SourceText, Span

_SERVICES = {"cloud": "firestore", "firebase": "storage"}
_HARD_KEYWORDS = frozenset({"true", "false", "null", "in", "is", "if", "return", "let"})
_SEGMENTS: dict[
    str, type[nodes.LiteralSegment | nodes.WildcardSegment | nodes.RecursiveWildcard]
] = {
    lexer.PATH_TEXT: nodes.LiteralSegment,
    lexer.PATH_WILDCARD: nodes.WildcardSegment,
    lexer.PATH_RECURSIVE: nodes.RecursiveWildcard,
}
_PATH_KINDS = frozenset({*_SEGMENTS, lexer.PATH_OPEN})


class SyntaxProblem(Exception):
    """The text is no ruleset. Caught by whoever called the parser, never shown as it is."""

    def __init__(self, description: str, span: Span) -> None:
        super().__init__(description)
        self.description = description
        self.span = span


def parse_ruleset(source: SourceText) -> nodes.Ruleset:
    """Read a rules file.

    Raises:
        SyntaxProblem: At the first thing that does not fit.
    """
    parser = _Parser(source.text)
    try:
        return parser.ruleset()
    except RecursionError:
        # Python's stack ends long after production's limit, which is found on the way back.
        parser.too_complex(parser.start)


def parse_expression(text: str) -> nodes.Expression:
    """Read a text that is one expression.

    Raises:
        SyntaxProblem: At the first thing that does not fit.
    """
    parser = _Parser(text)
    expression = parser.expression()
    if parser.kind != END:
        parser.unexpected()
    return expression


class _Parser:
    """Holds the place in the text; each method reads one rule of the grammar.

    `kind`, `text`, `start` and `end` are those of the next token, as `lexer.Token` has them. An
    operator's kind is its text.
    """

    def __init__(self, text: str) -> None:
        self.next_token = lexer.scan(text).__next__
        self.kind, self.text, self.start, self.end = self.next_token()
        self.previous_end = 0
        # Nesting of the node that was read last, by the official count (operators and parentheses)
        # and by ours (everything). Each expression method leaves both set for the node it returns.
        self.nesting = 1
        self.height = 1
        self.depth = 0

    # --- moving along the tokens --------------------------------------------------------------

    def advance(self) -> None:
        self.previous_end = self.end
        self.kind, self.text, self.start, self.end = self.next_token()

    def at_name(self, text: str) -> bool:
        return self.text == text and self.kind == NAME

    def accept(self, operator: str) -> bool:
        if self.kind == operator:
            self.advance()
            return True
        return False

    def expect(self, operator: str) -> None:
        if self.kind != operator:
            self.unexpected(f"{{'{operator}'}}")
        self.advance()

    def expect_keyword(self, text: str) -> None:
        if not self.at_name(text):
            self.unexpected(f"{{'{text}'}}")
        self.advance()

    def expect_name(self) -> tuple[str, Span]:
        if self.kind != NAME or self.text in _HARD_KEYWORDS:
            self.unexpected("{IDENTIFIER}")
        name, span = self.text, self.span
        self.advance()
        return name, span

    def unexpected(self, expected: str | None = None) -> NoReturn:
        span = self.span
        if self.kind == BAD:
            raise SyntaxProblem(self.text, span)
        if self.kind in _PATH_KINDS:
            raise SyntaxProblem("Missing 'match' keyword before path.", span)
        if expected is None or self.kind == NAME or self.kind == END:
            raise SyntaxProblem(f"Unexpected '{self.text}'.", span)
        raise SyntaxProblem(f"mismatched input '{self.text}' expecting {expected}", span)

    @property
    def span(self) -> Span:
        """Where the next token stands."""
        return Span(self.start, self.end)

    def span_from(self, start: int) -> Span:
        return Span(start, self.previous_end)

    # --- statements ---------------------------------------------------------------------------

    def ruleset(self) -> nodes.Ruleset:
        """`ruleset = [version] {function | service}`."""
        version = self.version() if self.at_name("rules_version") else None
        body: list[nodes.ServiceBlock | nodes.FunctionDeclaration] = []
        while self.kind != END:
            if self.at_name("service"):
                body.append(self.service())
            elif self.at_name("function"):
                body.append(self.function())
            else:
                self.unexpected()
        return nodes.Ruleset(version, tuple(body), Span(0, self.end))

    def version(self) -> str:
        """`version = "rules_version" "=" STRING [";"]`."""
        self.advance()
        self.expect("=")
        if self.kind != lexer.STRING:
            self.unexpected("STRING")
        version = self.string()
        if version not in ("1", "2"):
            raise SyntaxProblem(
                f"Invalid rules_version '{version}': only '1' and '2' exist.", self.span
            )
        self.advance()
        self.accept(";")
        return version

    def service(self) -> nodes.ServiceBlock:
        """`service = "service" dotted "{" {match | function} "}"`."""
        start = self.start
        self.advance()
        first = self.text
        if self.kind != NAME or first not in _SERVICES:
            self.unexpected()
        self.advance()
        self.expect(".")
        if not self.at_name(_SERVICES[first]):
            self.unexpected()
        self.advance()
        self.expect("{")
        body: list[nodes.MatchBlock | nodes.FunctionDeclaration] = []
        while self.kind != "}":
            if self.at_name("match"):
                body.append(self.match(1))
            elif self.at_name("function"):
                body.append(self.function())
            else:
                self.unexpected()
        self.advance()
        return nodes.ServiceBlock(f"{first}.{_SERVICES[first]}", tuple(body), self.span_from(start))

    def match(self, depth: int) -> nodes.MatchBlock:
        """`match = "match" pattern "{" {match | allow | function} "}"`."""
        start = self.start
        self.advance()
        pattern = self.pattern()
        if depth > limits.MATCH_DEPTH:
            raise SyntaxProblem(
                f"Maximum allowed match depth of {limits.MATCH_DEPTH} is reached.",
                self.span_from(start),
            )
        self.expect("{")
        body: list[nodes.MatchBlock | nodes.AllowStatement | nodes.FunctionDeclaration] = []
        while self.kind != "}":
            if self.at_name("allow"):
                body.append(self.allow())
            elif self.at_name("match"):
                body.append(self.match(depth + 1))
            elif self.at_name("function"):
                body.append(self.function())
            else:
                self.unexpected()
        self.advance()
        return nodes.MatchBlock(pattern, tuple(body), self.span_from(start))

    def pattern(self) -> nodes.PathPattern:
        """`pattern = psegment {psegment}`, without blanks in it."""
        start = self.start
        segments: list[nodes.LiteralSegment | nodes.WildcardSegment | nodes.RecursiveWildcard] = []
        while self.kind in _PATH_KINDS and (not segments or self.start == self.previous_end):
            if self.kind == lexer.PATH_OPEN:
                raise SyntaxProblem("Unexpected '$'.", Span(self.start + 1, self.end))
            segments.append(self.segment())
        if not segments:
            self.unexpected("{'/', PATH_SEGMENT}")
        if len(segments) > limits.PATH_SEGMENTS:
            # Here, and not in the check of whole patterns: each block below would repeat it.
            raise SyntaxProblem(limits.SEGMENTS_TEXT, self.span_from(start))
        return nodes.PathPattern(tuple(segments), self.span_from(start))

    def segment(self) -> nodes.LiteralSegment | nodes.WildcardSegment | nodes.RecursiveWildcard:
        """`psegment = "/" TEXT | "/{" IDENT ["=**"] "}"`."""
        make = _SEGMENTS[self.kind]
        made = make(self.text, self.span)
        self.advance()
        return made

    def allow(self) -> nodes.AllowStatement:
        """`allow = "allow" method {"," method} [":" "if" expr] [";"]`."""
        start = self.start
        self.advance()
        methods: list[str] = []
        while True:
            if self.kind != NAME or self.text not in nodes.METHOD_GROUPS:
                self.unexpected()
            methods.append(self.text)
            self.advance()
            if not self.accept(","):
                break
        condition = None
        if self.accept(":"):
            self.expect_keyword("if")
            condition = self.expression()
        self.accept(";")
        return nodes.AllowStatement(tuple(methods), condition, self.span_from(start))

    def function(self) -> nodes.FunctionDeclaration:
        """`function = "function" IDENT "(" [names] ")" "{" {let} "return" expr [";"] "}"`."""
        start = self.start
        self.advance()
        name, name_span = self.expect_name()
        self.expect("(")
        parameters: list[str] = []
        parameter_spans: list[Span] = []
        while self.kind != ")":
            parameter, span = self.expect_name()
            parameters.append(parameter)
            parameter_spans.append(span)
            if not self.accept(","):
                break
        self.expect(")")
        self.expect("{")
        lets: list[nodes.LetBinding] = []
        while self.at_name("let"):
            lets.append(self.let())
        self.expect_keyword("return")
        body = self.expression()
        self.accept(";")
        self.expect("}")
        return nodes.FunctionDeclaration(
            name,
            tuple(parameters),
            tuple(lets),
            body,
            self.span_from(start),
            name_span,
            tuple(parameter_spans),
        )

    def let(self) -> nodes.LetBinding:
        """`let = "let" IDENT "=" expr ";"`."""
        start = self.start
        self.advance()
        name, _ = self.expect_name()
        self.expect("=")
        value = self.expression()
        self.expect(";")
        return nodes.LetBinding(name, value, self.span_from(start))

    # --- expressions --------------------------------------------------------------------------

    def expression(self) -> nodes.Expression:
        """`expr = binary ["?" expr ":" expr]`."""
        self.depth += 1
        if self.depth > limits.TREE_HEIGHT:
            self.too_complex(self.start)
        start = self.start
        node = self.binary(1)
        if self.kind == "?":
            nesting, height = self.nesting, self.height
            self.advance()
            when_true = self.expression()
            nesting, height = max(nesting, self.nesting), max(height, self.height)
            self.expect(":")
            when_false = self.expression()
            node = nodes.Conditional(node, when_true, when_false, self.span_from(start))
            self.grown(nesting, height, start, counts=True)
        self.depth -= 1
        return node

    def binary(self, level: int) -> nodes.Expression:
        """`binary = unary {operator unary | "is" NAME}`, for operators that bind at least as
        tightly as `level`: precedence climbing.
        """
        start = self.start
        node = self.unary()
        precedence = nodes.PRECEDENCE
        while True:
            operator = self.text
            own = precedence.get(operator)
            # A path's text may be an operator's, its kind is not.
            if own is None or own < level or (self.kind != operator and self.kind != NAME):
                return node
            self.advance()
            if operator == "is":
                node = self.type_test(node, start)
                continue
            nesting, height = self.nesting, self.height
            right = self.binary(own + 1)
            node = nodes.Binary(operator, node, right, Span(start, self.previous_end))
            self.grown(nesting, height, start, counts=True)

    def type_test(self, operand: nodes.Expression, start: int) -> nodes.TypeTest:
        # `null` is a keyword, but as a type name it gets the checker's words, as any unknown name
        # does.
        if self.kind != NAME:
            self.unexpected("{IDENTIFIER}")
        name, name_span = self.text, self.span
        self.advance()
        self.grown(1, 1, start, counts=True)
        return nodes.TypeTest(operand, name, self.span_from(start), name_span)

    def unary(self) -> nodes.Expression:
        """`unary = {"!" | "-"} postfix`."""
        kind, start = self.kind, self.start
        if kind != "!" and kind != "-":
            node = self.name() if kind == NAME else self.primary()
            return self.postfix(node, start) if self.kind == "." or self.kind == "[" else node
        self.depth += 1
        if self.depth > limits.TREE_HEIGHT:
            self.too_complex(start)
        self.advance()
        if kind == "-" and self.text == "9223372036854775808":
            first = self.start
            operand = self.postfix(self.integer(INT_MAX + 1), first)
        else:
            operand = self.unary()
        self.depth -= 1
        self.grown(0, 0, start, counts=False)
        return nodes.Unary(kind, operand, self.span_from(start))

    def postfix(self, node: nodes.Expression, start: int) -> nodes.Expression:
        """`postfix = primary {"." IDENT [args] | "[" expr [":" expr] "]"}`; `start` is the
        primary's, with the parentheses around it.
        """
        while True:
            if self.kind == ".":
                self.advance()
                if self.kind != NAME:
                    self.unexpected("{IDENTIFIER}")
                name, name_start, name_end = self.text, self.start, self.end
                self.advance()
                if self.kind == "(":
                    nesting, height = self.nesting, self.height
                    arguments = self.arguments()
                    node = nodes.MethodCall(
                        node, name, arguments, self.span_from(start), Span(name_start, name_end)
                    )
                    self.grown(nesting, height, start, counts=False)
                else:
                    node = nodes.Member(node, name, Span(start, name_end))
                    # As `grown` has it, without the call: most nodes are members.
                    self.height += 1
                    if self.height > limits.TREE_HEIGHT:
                        self.too_complex(start)
            elif self.kind == "[":
                self.advance()
                nesting, height = self.nesting, self.height
                index = self.expression()
                if self.accept(":"):
                    nesting, height = max(nesting, self.nesting), max(height, self.height)
                    end = self.expression()
                    self.expect("]")
                    node = nodes.Slice(node, index, end, self.span_from(start))
                else:
                    self.expect("]")
                    node = nodes.Index(node, index, self.span_from(start))
                self.grown(nesting, height, start, counts=False)
            else:
                return node

    def arguments(self) -> tuple[nodes.Expression, ...]:
        """`args = "(" [expr {"," expr}] ")"`."""
        return self.sequence("(", ")", trailing_comma=False)

    def sequence(
        self, opening: str, closing: str, *, trailing_comma: bool
    ) -> tuple[nodes.Expression, ...]:
        self.expect(opening)
        items: list[nodes.Expression] = []
        nesting = height = 1
        while self.kind != closing:
            items.append(self.expression())
            nesting, height = max(nesting, self.nesting), max(height, self.height)
            if not self.accept(","):
                break
            if not trailing_comma and self.kind == closing:
                self.unexpected()
        self.expect(closing)
        self.nesting, self.height = nesting, height
        return tuple(items)

    def primary(self) -> nodes.Expression:
        """Read a literal, or what stands in brackets."""
        kind, start = self.kind, self.start
        self.nesting = self.height = 1
        if kind == "(":
            self.advance()
            node = self.expression()
            self.expect(")")
            self.grown(0, 0, start, counts=True)
            return node
        if kind == "[":
            items = self.sequence("[", "]", trailing_comma=True)
            self.grown(0, 0, start, counts=False)
            return nodes.ListLiteral(items, self.span_from(start))
        if kind == "{":
            return self.map_literal()
        if kind in _PATH_KINDS:
            return self.path_literal()
        if kind == lexer.INT:
            return self.integer(INT_MAX)
        literal: nodes.Expression
        if kind == lexer.STRING:
            literal = nodes.StringLiteral(self.string(), self.span)
        elif kind == lexer.FLOAT:
            literal = nodes.FloatLiteral(float(self.text), self.span)
        elif kind == lexer.BYTES:
            literal = nodes.BytesLiteral(self.octets(), self.span)
        else:
            self.unexpected()
        self.advance()
        return literal

    def name(self) -> nodes.Expression:
        """`name = "true" | "false" | "null" | IDENT [args]`."""
        text, start = self.text, self.start
        self.advance()
        self.nesting = self.height = 1
        if self.kind == "(" and text not in _HARD_KEYWORDS:
            arguments = self.arguments()
            self.grown(0, 0, start, counts=False)
            return nodes.Call(text, arguments, self.span_from(start))
        span = self.span_from(start)
        if text not in _HARD_KEYWORDS:
            return nodes.Variable(text, span)
        if text == "null":
            return nodes.NullLiteral(span)
        if text == "true" or text == "false":
            return nodes.BoolLiteral(text == "true", span)
        raise SyntaxProblem(f"Unexpected '{text}'.", span)

    def map_literal(self) -> nodes.MapLiteral:
        """`map = "{" [expr ":" expr {"," expr ":" expr} [","]] "}"`."""
        start = self.start
        self.advance()
        entries: list[tuple[nodes.Expression, nodes.Expression]] = []
        nesting = height = 1
        while self.kind != "}":
            key = self.expression()
            nesting, height = max(nesting, self.nesting), max(height, self.height)
            self.expect(":")
            value = self.expression()
            nesting, height = max(nesting, self.nesting), max(height, self.height)
            entries.append((key, value))
            if not self.accept(","):
                break
        self.expect("}")
        self.nesting, self.height = nesting, height
        self.grown(0, 0, start, counts=False)
        return nodes.MapLiteral(tuple(entries), self.span_from(start))

    def path_literal(self) -> nodes.PathLiteral:
        """`pathlit = lsegment {lsegment}`, without blanks between segments;
        `lsegment = psegment | "/$(" expr ")"`.
        """
        start = self.start
        segments: list[
            nodes.LiteralSegment
            | nodes.WildcardSegment
            | nodes.RecursiveWildcard
            | nodes.InterpolatedSegment
        ] = []
        nesting = height = 1
        while self.kind in _PATH_KINDS and (not segments or self.start == self.previous_end):
            if self.kind != lexer.PATH_OPEN:
                segments.append(self.segment())
                continue
            segment_start = self.start
            self.advance()
            inner = self.expression()
            nesting, height = max(nesting, self.nesting), max(height, self.height)
            if self.kind != lexer.PATH_CLOSE:
                self.unexpected("{')'}")
            self.advance()
            segments.append(nodes.InterpolatedSegment(inner, self.span_from(segment_start)))
        self.nesting, self.height = nesting, height
        self.grown(0, 0, start, counts=False)
        return nodes.PathLiteral(tuple(segments), self.span_from(start))

    # --- literals and limits ------------------------------------------------------------------

    def integer(self, maximum: int) -> nodes.IntLiteral:
        span = self.span
        # The length first: Python refuses to convert very long digit strings.
        if len(self.text.lstrip("0")) > 19 or int(self.text) > maximum:
            raise SyntaxProblem(f"Integer literal '{self.text[:40]}' is out of range.", span)
        literal = nodes.IntLiteral(int(self.text), span)
        self.advance()
        return literal

    def string(self) -> str:
        try:
            return lexer.string_value(self.text)
        except lexer.BadEscape as error:
            self.bad_escape(error, self.start + 1)

    def octets(self) -> bytes:
        try:
            return lexer.bytes_value(self.text)
        except lexer.BadEscape as error:
            self.bad_escape(error, self.start + 2)

    def bad_escape(self, error: lexer.BadEscape, body_start: int) -> NoReturn:
        start = body_start + error.offset
        raise SyntaxProblem(str(error), Span(start, start + len(error.escape)))

    def grown(self, nesting: int, height: int, start: int, *, counts: bool) -> None:
        """Set the nesting for a node over the one just read and its siblings, whose nesting is
        given.
        """
        # Twenty thousand calls for a large ruleset: no `max`.
        if nesting > self.nesting:
            self.nesting = nesting
        if counts:
            self.nesting += 1
        self.height = (height if height > self.height else self.height) + 1
        if self.nesting > limits.EXPRESSION_NESTING or self.height > limits.TREE_HEIGHT:
            self.too_complex(start)

    def too_complex(self, start: int) -> NoReturn:
        raise SyntaxProblem(limits.COMPLEXITY_TEXT, Span(start, max(start + 1, self.previous_end)))
