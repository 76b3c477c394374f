"""Tokens to a syntax tree, by recursive descent. The words of syntax errors are here.

The first syntax error ends the parse: what would follow from it is guesswork. What a tree means,
and whether its names exist, is for `check.py`.
"""

from __future__ import annotations

from typing import NoReturn

from harness.rules import lexer, limits, nodes
from harness.rules.lexer import BAD, END, NAME, OPERATOR, Token
from harness.rules.values import INT_MAX
from harness.source import SourceText, Span

_SERVICES = {"cloud": "firestore", "firebase": "storage"}
_HARD_KEYWORDS = frozenset({"true", "false", "null", "in", "is", "if", "return", "let"})
_PATH_KINDS = frozenset(
    {lexer.PATH_TEXT, lexer.PATH_WILDCARD, lexer.PATH_RECURSIVE, lexer.PATH_OPEN}
)


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
        parser.too_complex(parser.token.start)


def parse_expression(text: str) -> nodes.Expression:
    """Read a text that is one expression.

    Raises:
        SyntaxProblem: At the first thing that does not fit.
    """
    parser = _Parser(text)
    expression = parser.expression()
    if parser.token.kind != END:
        parser.unexpected()
    return expression


class _Parser:
    """Holds the place in the token list; each method reads one rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.tokens = lexer.tokenize(text)
        self.index = 0
        self.token = self.tokens[0]
        self.previous_end = 0
        # Nesting of the node that was read last, by the official count (operators and parentheses)
        # and by ours (everything). Each expression method leaves both set for the node it returns.
        self.nesting = 1
        self.height = 1
        self.depth = 0

    # --- moving along the tokens --------------------------------------------------------------

    def advance(self) -> Token:
        token = self.token
        self.previous_end = token.end
        self.index += 1
        self.token = self.tokens[self.index]
        return token

    def at_operator(self, text: str) -> bool:
        token = self.token
        return token.text == text and token.kind == OPERATOR

    def at_name(self, text: str) -> bool:
        token = self.token
        return token.text == text and token.kind == NAME

    def accept(self, text: str) -> bool:
        token = self.token
        if token.text == text and token.kind == OPERATOR:
            self.advance()
            return True
        return False

    def expect(self, text: str) -> Token:
        if not self.at_operator(text):
            self.unexpected(f"{{'{text}'}}")
        return self.advance()

    def expect_keyword(self, text: str) -> Token:
        if not self.at_name(text):
            self.unexpected(f"{{'{text}'}}")
        return self.advance()

    def expect_name(self) -> Token:
        token = self.token
        if token.kind != NAME or token.text in _HARD_KEYWORDS:
            self.unexpected("{IDENTIFIER}")
        return self.advance()

    def unexpected(self, expected: str | None = None) -> NoReturn:
        token = self.token
        span = Span(token.start, token.end)
        if token.kind == BAD:
            raise SyntaxProblem(token.text, span)
        if token.kind in _PATH_KINDS:
            raise SyntaxProblem("Missing 'match' keyword before path.", span)
        if expected is None or token.kind == NAME or token.kind == END:
            raise SyntaxProblem(f"Unexpected '{token.text}'.", span)
        raise SyntaxProblem(f"mismatched input '{token.text}' expecting {expected}", span)

    def span_from(self, start: int) -> Span:
        return Span(start, self.previous_end)

    # --- statements ---------------------------------------------------------------------------

    def ruleset(self) -> nodes.Ruleset:
        """`ruleset = [version] {function | service}`."""
        version = self.version() if self.at_name("rules_version") else None
        body: list[nodes.ServiceBlock | nodes.FunctionDeclaration] = []
        while self.token.kind != END:
            if self.at_name("service"):
                body.append(self.service())
            elif self.at_name("function"):
                body.append(self.function())
            else:
                self.unexpected()
        return nodes.Ruleset(version, tuple(body), Span(0, self.token.end))

    def version(self) -> str:
        """`version = "rules_version" "=" STRING [";"]`."""
        self.advance()
        self.expect("=")
        token = self.token
        if token.kind != lexer.STRING:
            self.unexpected("STRING")
        version = self.string(token)
        if version not in ("1", "2"):
            raise SyntaxProblem(
                f"Invalid rules_version '{version}': only '1' and '2' exist.",
                Span(token.start, token.end),
            )
        self.advance()
        self.accept(";")
        return version

    def service(self) -> nodes.ServiceBlock:
        """`service = "service" dotted "{" {match | function} "}"`."""
        start = self.advance().start
        first = self.token
        if first.kind != NAME or first.text not in _SERVICES:
            self.unexpected()
        self.advance()
        self.expect(".")
        if not self.at_name(_SERVICES[first.text]):
            self.unexpected()
        self.advance()
        self.expect("{")
        body: list[nodes.MatchBlock | nodes.FunctionDeclaration] = []
        while not self.at_operator("}"):
            if self.at_name("match"):
                body.append(self.match(1))
            elif self.at_name("function"):
                body.append(self.function())
            else:
                self.unexpected()
        self.advance()
        name = f"{first.text}.{_SERVICES[first.text]}"
        return nodes.ServiceBlock(name, tuple(body), self.span_from(start))

    def match(self, depth: int) -> nodes.MatchBlock:
        """`match = "match" pattern "{" {match | allow | function} "}"`."""
        start = self.advance().start
        pattern = self.pattern()
        if depth > limits.MATCH_DEPTH:
            raise SyntaxProblem(
                f"Maximum allowed match depth of {limits.MATCH_DEPTH} is reached.",
                self.span_from(start),
            )
        self.expect("{")
        body: list[nodes.MatchBlock | nodes.AllowStatement | nodes.FunctionDeclaration] = []
        while not self.at_operator("}"):
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
        start = self.token.start
        segments: list[nodes.LiteralSegment | nodes.WildcardSegment | nodes.RecursiveWildcard] = []
        while (token := self.token).kind in _PATH_KINDS and (
            not segments or token.start == self.previous_end
        ):
            span = Span(token.start, token.end)
            if token.kind == lexer.PATH_TEXT:
                segments.append(nodes.LiteralSegment(token.text, span))
            elif token.kind == lexer.PATH_WILDCARD:
                segments.append(nodes.WildcardSegment(token.text, span))
            elif token.kind == lexer.PATH_RECURSIVE:
                segments.append(nodes.RecursiveWildcard(token.text, span))
            else:
                raise SyntaxProblem("Unexpected '$'.", Span(token.start + 1, token.end))
            self.advance()
        if not segments:
            self.unexpected("{'/', PATH_SEGMENT}")
        if len(segments) > limits.PATH_SEGMENTS:
            # Here, and not in the check of whole patterns: each block below would repeat it.
            raise SyntaxProblem(limits.SEGMENTS_TEXT, self.span_from(start))
        return nodes.PathPattern(tuple(segments), self.span_from(start))

    def allow(self) -> nodes.AllowStatement:
        """`allow = "allow" method {"," method} [":" "if" expr] [";"]`."""
        start = self.advance().start
        methods: list[str] = []
        while True:
            if self.token.kind != NAME or self.token.text not in nodes.METHOD_GROUPS:
                self.unexpected()
            methods.append(self.advance().text)
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
        start = self.advance().start
        name = self.expect_name()
        self.expect("(")
        parameters: list[Token] = []
        while not self.at_operator(")"):
            parameters.append(self.expect_name())
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
            name.text,
            tuple(parameter.text for parameter in parameters),
            tuple(lets),
            body,
            self.span_from(start),
            Span(name.start, name.end),
            tuple(Span(parameter.start, parameter.end) for parameter in parameters),
        )

    def let(self) -> nodes.LetBinding:
        """`let = "let" IDENT "=" expr ";"`."""
        start = self.advance().start
        name = self.expect_name().text
        self.expect("=")
        value = self.expression()
        self.expect(";")
        return nodes.LetBinding(name, value, self.span_from(start))

    # --- expressions --------------------------------------------------------------------------

    def expression(self) -> nodes.Expression:
        """`expr = binary ["?" expr ":" expr]`."""
        self.depth += 1
        if self.depth > limits.TREE_HEIGHT:
            self.too_complex(self.token.start)
        start = self.token.start
        node = self.binary(1)
        if self.at_operator("?"):
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
        """Read operators that bind at least as tightly as `level`, by precedence climbing."""
        start = self.token.start
        node = self.unary()
        precedence = nodes.PRECEDENCE
        while True:
            token = self.token
            operator = token.text
            own = precedence.get(operator)
            if own is None or own < level or (token.kind != OPERATOR and token.kind != NAME):
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
        token = self.token
        name_span = Span(token.start, token.end)
        # `null` is a keyword, but as a type name it gets the checker's words, as any unknown name
        # does.
        if token.kind != NAME:
            self.unexpected("{IDENTIFIER}")
        self.advance()
        self.grown(1, 1, start, counts=True)
        return nodes.TypeTest(operand, token.text, self.span_from(start), name_span)

    def unary(self) -> nodes.Expression:
        """`unary = {"!" | "-"} postfix`."""
        token = self.token
        if token.kind == OPERATOR and (token.text == "!" or token.text == "-"):
            self.depth += 1
            if self.depth > limits.TREE_HEIGHT:
                self.too_complex(token.start)
            self.advance()
            if token.text == "-" and self.token.text == "9223372036854775808":
                operand = self.postfix(
                    nodes.IntLiteral(self.int_token(INT_MAX + 1), self.last_span())
                )
            else:
                operand = self.unary()
            self.depth -= 1
            self.grown(0, 0, token.start, counts=False)
            return nodes.Unary(token.text, operand, self.span_from(token.start))
        return self.postfix(self.primary())

    def postfix(self, node: nodes.Expression) -> nodes.Expression:
        """`postfix = primary {"." IDENT [args] | "[" expr [":" expr] "]"}`."""
        start = node.span.start
        if self.previous_end > node.span.end:
            # The primary was in parentheses; they belong to what follows.
            start = self.paren_start
        while self.token.kind == OPERATOR:
            operator = self.token.text
            if operator == ".":
                self.advance()
                name = self.token
                if name.kind != NAME:
                    self.unexpected("{IDENTIFIER}")
                self.advance()
                if self.at_operator("("):
                    nesting, height = self.nesting, self.height
                    arguments = self.arguments()
                    node = nodes.MethodCall(
                        node,
                        name.text,
                        arguments,
                        self.span_from(start),
                        Span(name.start, name.end),
                    )
                    self.grown(nesting, height, start, counts=False)
                else:
                    node = nodes.Member(node, name.text, self.span_from(start))
                    self.grown(0, 0, start, counts=False)
            elif operator == "[":
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
                break
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
        while not self.at_operator(closing):
            items.append(self.expression())
            nesting, height = max(nesting, self.nesting), max(height, self.height)
            if not self.accept(","):
                break
            if not trailing_comma and self.at_operator(closing):
                self.unexpected()
        self.expect(closing)
        self.nesting, self.height = nesting, height
        return tuple(items)

    def primary(self) -> nodes.Expression:
        """Read a literal, a name, a call, or what stands in brackets."""
        token = self.token
        kind = token.kind
        self.nesting = self.height = 1
        if kind == NAME:
            return self.name()
        if kind == OPERATOR:
            if token.text == "(":
                self.advance()
                node = self.expression()
                self.expect(")")
                self.paren_start = token.start
                self.grown(0, 0, token.start, counts=True)
                return node
            if token.text == "[":
                items = self.sequence("[", "]", trailing_comma=True)
                self.grown(0, 0, token.start, counts=False)
                return nodes.ListLiteral(items, self.span_from(token.start))
            if token.text == "{":
                return self.map_literal()
        elif kind == lexer.STRING:
            value = self.string(token)
            self.advance()
            return nodes.StringLiteral(value, Span(token.start, token.end))
        elif kind == lexer.INT:
            return nodes.IntLiteral(self.int_token(INT_MAX), self.last_span())
        elif kind == lexer.FLOAT:
            self.advance()
            return nodes.FloatLiteral(float(token.text), Span(token.start, token.end))
        elif kind == lexer.BYTES:
            try:
                octets = lexer.bytes_value(token.text)
            except lexer.BadEscape as error:
                self.bad_escape(error, token.start + 2)
            self.advance()
            return nodes.BytesLiteral(octets, Span(token.start, token.end))
        elif kind in _PATH_KINDS:
            return self.path_literal()
        return self.unexpected()

    def name(self) -> nodes.Expression:
        token = self.advance()
        text = token.text
        span = Span(token.start, token.end)
        if text == "true" or text == "false":
            return nodes.BoolLiteral(text == "true", span)
        if text == "null":
            return nodes.NullLiteral(span)
        if text in _HARD_KEYWORDS:
            raise SyntaxProblem(f"Unexpected '{text}'.", span)
        if self.at_operator("("):
            arguments = self.arguments()
            self.grown(0, 0, token.start, counts=False)
            return nodes.Call(text, arguments, self.span_from(token.start))
        return nodes.Variable(text, span)

    def map_literal(self) -> nodes.MapLiteral:
        """`map = "{" [expr ":" expr {"," expr ":" expr} [","]] "}"`."""
        start = self.advance().start
        entries: list[tuple[nodes.Expression, nodes.Expression]] = []
        nesting = height = 1
        while not self.at_operator("}"):
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
        """`pathlit = lsegment {lsegment}`, without blanks between segments."""
        start = self.token.start
        segments: list[
            nodes.LiteralSegment
            | nodes.WildcardSegment
            | nodes.RecursiveWildcard
            | nodes.InterpolatedSegment
        ] = []
        nesting = height = 1
        while (token := self.token).kind in _PATH_KINDS and (
            not segments or token.start == self.previous_end
        ):
            self.advance()
            span = Span(token.start, token.end)
            if token.kind == lexer.PATH_TEXT:
                segments.append(nodes.LiteralSegment(token.text, span))
            elif token.kind == lexer.PATH_WILDCARD:
                segments.append(nodes.WildcardSegment(token.text, span))
            elif token.kind == lexer.PATH_RECURSIVE:
                segments.append(nodes.RecursiveWildcard(token.text, span))
            else:
                inner = self.expression()
                nesting, height = max(nesting, self.nesting), max(height, self.height)
                if self.token.kind != lexer.PATH_CLOSE:
                    self.unexpected("{')'}")
                self.advance()
                segments.append(nodes.InterpolatedSegment(inner, self.span_from(token.start)))
        self.nesting, self.height = nesting, height
        self.grown(0, 0, start, counts=False)
        return nodes.PathLiteral(tuple(segments), self.span_from(start))

    # --- literals and limits ------------------------------------------------------------------

    paren_start = 0

    def last_span(self) -> Span:
        token = self.tokens[self.index - 1]
        return Span(token.start, token.end)

    def int_token(self, maximum: int) -> int:
        token = self.token
        # The length first: Python refuses to convert very long digit strings.
        if len(token.text.lstrip("0")) > 19 or int(token.text) > maximum:
            raise SyntaxProblem(
                f"Integer literal '{token.text[:40]}' is out of range.",
                Span(token.start, token.end),
            )
        self.advance()
        return int(token.text)

    def string(self, token: Token) -> str:
        try:
            return lexer.string_value(token.text)
        except lexer.BadEscape as error:
            self.bad_escape(error, token.start + 1)

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
