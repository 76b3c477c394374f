"""Large rulesets out of the committed tables, and damage to rules text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from harness.rules import nodes
from harness.rules.request import FIRESTORE
from harness.rules.ruleset import load_ruleset
from harness.source import SourceText
from tests.rules.corpus import load_cases
from tests.rules.generated import Choose

# What an editor would take for one word, blanks included, so that the pieces join to the text.
_PIECE = re.compile(r"\w+|\s+|'[^'\n]*'|&&|\|\||[=!<>]=|\$\(|=\*\*|.", re.DOTALL)
_ODD = (
    *("", "\0", "'", '"', "\\", "/", "//", "/*", "*/", "$(", "=**", "{", "}", "(", ")", "[", "]"),
    *("\u2028", "\ud800", "\U0001f600", "\r", "\ufeff", "9223372036854775808", "1.", ".5", "1e9"),
    *("/a", "/{x}", "/{x=**}", "match", "allow", "function", "return", "let", "rules_version"),
    *("is", "in", "null", "!", "-", "?", ":", ";", ",", "&&", "||", "request", "resource", "get"),
)


# Blocks out of the tables overlap with every so manieth other.
_COLLECTIONS = 50


@cache
def corpus_texts() -> tuple[str, ...]:
    """Return the rules text of every case in the committed tables, each once."""
    return tuple(dict.fromkeys(case.ruleset for case in load_cases()))


@cache
def _corpus_blocks() -> tuple[tuple[nodes.MatchBlock, ...], ...]:
    """Return the outermost match blocks of the tables' Firestore rulesets under version 2, each
    with all the functions that it sees.
    """
    found: list[tuple[nodes.MatchBlock, ...]] = []
    for text in corpus_texts():
        ruleset = load_ruleset(SourceText("firestore.rules", text)).ruleset
        if ruleset is None or ruleset.version != 2:
            continue
        tree = ruleset.tree
        shared = [item for item in tree.body if isinstance(item, nodes.FunctionDeclaration)]
        for service in tree.body:
            if isinstance(service, nodes.ServiceBlock) and service.name == FIRESTORE:
                found.append(tuple(_self_contained(service, shared, len(found) % _COLLECTIONS)))
    return tuple(found)


def _self_contained(
    service: nodes.ServiceBlock, shared: Sequence[nodes.FunctionDeclaration], number: int
) -> Iterator[nodes.MatchBlock]:
    own = [item for item in service.body if isinstance(item, nodes.FunctionDeclaration)]
    for item in service.body:
        if isinstance(item, nodes.MatchBlock):
            # Below a document of a collection of its own, so that not all blocks match everything.
            database, rest = item.pattern.segments[:3], item.pattern.segments[3:]
            place = (nodes.LiteralSegment(f"c{number}"), nodes.WildcardSegment("place"))
            pattern = nodes.PathPattern((*database, *place, *rest))
            yield nodes.MatchBlock(pattern, (*shared, *own, *item.body))


def composed(choose: Choose, lines: int) -> nodes.Ruleset:
    """Return a ruleset of about so many lines, put together from the committed tables."""
    body: list[nodes.MatchBlock] = []
    length = 0
    while length < lines:
        for block in choose(_corpus_blocks()):
            body.append(block)
            alone = nodes.Ruleset(None, (nodes.ServiceBlock(FIRESTORE, (block,)),))
            length += nodes.unparse(alone).count("\n") - 2
    return nodes.Ruleset("2", (nodes.ServiceBlock(FIRESTORE, tuple(body)),))


# Pieces that may stand for one another, so that what is changed often still loads.
_ALIKE = (
    re.compile(r"&&|\|\||[=!<>]=|[<>+*%]"),
    re.compile(r"'[^'\n]*'"),
    re.compile(r"\d+"),
    re.compile(r"get|list|read|write|create|update|delete"),
    re.compile(r"hasAny|hasAll|hasOnly"),
    re.compile(r"[a-zA-Z_]\w*"),
)


def altered(text: str, choose: Choose, changes: int = 3) -> str:
    """Exchange pieces of a text for others of their kind: operators, strings, numbers, names."""
    pieces = _PIECE.findall(text)
    for _ in range(changes):
        kind = choose(_ALIKE)
        alike = [index for index, piece in enumerate(pieces) if kind.fullmatch(piece)]
        if alike:
            pieces[choose(alike)] = pieces[choose(alike)]
    return "".join(pieces)


def mutated(text: str, choose: Choose, other: str = "", changes: int = 3) -> str:
    """Damage a text: pieces deleted, doubled, exchanged, replaced; a part of another text put in;
    cut off.
    """
    pieces = _PIECE.findall(text)
    others = _PIECE.findall(other)
    for _ in range(changes):
        if not pieces:
            break
        at, to = choose(range(len(pieces))), choose(range(len(pieces)))
        match choose(range(9)):
            case 0:
                del pieces[at]
            case 1:
                pieces.insert(at, pieces[at])
            case 2:
                pieces[at], pieces[to] = pieces[to], pieces[at]
            case 3:
                pieces[at] = pieces[to]
            case 4:
                pieces[at] = choose(_ODD)
            case 5:
                pieces.insert(at, choose(_ODD))
            case 6 if others:
                start = choose(range(len(others)))
                pieces[at:at] = others[start : start + choose((1, 5, 50, 1000))]
            case 7:
                del pieces[at : at + choose((2, 10, 100))]
            case _:
                # A piece within a piece.
                piece = pieces[at]
                cut = choose(range(len(piece) + 1))
                pieces[at] = piece[:cut] + choose(_ODD) + piece[cut:]
    return "".join(pieces)
