"""Rules texts made to hurt: deep, long, full of the wrong characters, or exponential."""

from __future__ import annotations

from itertools import pairwise

from tests.rules.corpus import condition_ruleset


def pathological_texts(size: int) -> dict[str, str]:
    """Return texts of about so many characters, by what is bad about them."""
    few = size // 10
    texts = {
        "open parentheses": condition_ruleset("(" * size),
        "nested parentheses": condition_ruleset("(" * (size // 2) + "1" + ")" * (size // 2)),
        "open lists": condition_ruleset("[" * size),
        "open maps": condition_ruleset("{" * size),
        "nested calls": condition_ruleset("f(" * (size // 3) + ")" * (size // 3)),
        "nested paths": condition_ruleset("/$(" * (size // 4) + "1" + ")" * (size // 4)),
        "path of many interpolations": condition_ruleset(
            "/a" + "".join(f"/$({index})" for index in range(few)) + " == 1"
        ),
        "long path": condition_ruleset("/a" * (size // 2)),
        "negations": condition_ruleset("!" * size + "true"),
        "minuses": condition_ruleset("-" * size + "1"),
        "conjunction": condition_ruleset(" && ".join(["true"] * (size // 8))),
        "conjunctions to the right": condition_ruleset("true && (" * (size // 9)),
        "conditionals": condition_ruleset("a ? b : " * (size // 8) + "c"),
        "conditionals in the middle": condition_ruleset("true ? " * (size // 7)),
        "members": condition_ruleset("a" + ".b" * (size // 2)),
        "indexes": condition_ruleset("a" + "[0]" * (size // 3)),
        "methods": condition_ruleset("a" + ".b()" * (size // 4)),
        "arguments": condition_ruleset("f(" + "1," * (size // 2) + "1)"),
        "list of numbers": condition_ruleset("[" + "1," * (size // 2) + "1].size() == 1"),
        "map": condition_ruleset("{" + "'a': 1, " * few + "'b': 2}.size() == 1"),
        "string": condition_ruleset(f"'{'x' * size}' == 'a'"),
        "escapes": condition_ruleset("'" + "\\u0041" * (size // 6) + "' == 'a'"),
        "half surrogates": condition_ruleset("'" + "\\ud83d" * (size // 6) + "'.toUtf8() == 1"),
        "backslashes": condition_ruleset("'" + "\\" * size),
        "quotes": "'" * size,
        "bytes": "b'" * (size // 2),
        "digits": condition_ruleset("1" * size),
        "decimals": condition_ruleset(f"1.{'1' * size} == 1.0e{'9' * few}"),
        "identifier": condition_ruleset("a" * size),
        "null characters": "\0" * size,
        "null characters in a string": condition_ruleset(f"'{chr(0) * size}' == '\0'"),
        "slashes": "/ " * (size // 2),
        "open comments": "/*" * (size // 2),
        "comments": "/**/" * (size // 4),
        "line comments": "//\n" * (size // 3),
        "blanks": " " * size,
        "blanks and a wrong character": " " * size + "\x01",
        "carriage returns": "\r" * size,
        "services": "service cloud.firestore {}" * (size // 26),
        "functions of one name": "function f() { return 1; }" * (size // 26),
        "functions": "".join(f"function f{i}() {{ return 1; }}" for i in range(few // 3)),
        "chain of functions": _firestore(
            "".join(f"function f{i}() {{ return f{i + 1}(); }}" for i in range(few // 4))
        ),
        "cycle of functions": _firestore(
            "".join(f"function f{i}() {{ return f{(i + 1) % few}(); }}" for i in range(few))
        ),
        "parameters": f"function f({','.join(f'a{i}' for i in range(few))}) {{ return 1; }}",
        "lets": f"function f() {{ {''.join(f'let a{i}=1;' for i in range(few))} return 1; }}",
        "segments": _firestore(f"match {'/a' * (size // 2)} {{ allow read; }}"),
        "wildcards": _firestore(
            f"match {''.join(f'/{{a{i}}}' for i in range(few))} {{ allow read; }}"
        ),
        "recursive wildcards": _firestore(f"match {'/{a=**}' * few} {{ allow read; }}"),
        "blocks under a long pattern": _firestore(
            f"match {'/a' * (size // 4)} {{ {'match /b {}' * (size // 24)} }}"
        ),
        "nested blocks": _firestore("match /a {" * (size // 12) + "}" * (size // 12)),
        "blocks": _firestore("match /a/{b} { allow read; }" * (size // 30)),
        "statements": condition_ruleset("x; allow get: if " * (size // 18) + "x"),
        "methods of a statement": condition_ruleset(None).replace("get", "get, " * few + "get"),
        "regular expression of many groups": condition_ruleset(
            f"'a'.matches('{'(a|' * (size // 8)}b{')' * (size // 8)}')"
        ),
        "regular expression that backtracks": condition_ruleset(
            f"'{'x' * (size // 2)}'.matches('(x+x+)+y')"
        ),
        "regular expression of many options": condition_ruleset(
            f"'{'a' * few}'.matches('{'a?' * few}{'a' * few}')"
        ),
        "regular expression that repeats": condition_ruleset(
            "'a'.matches('(((a{1,30}){1,30}){1,30}){1,30}')"
        ),
        "replacement by something long": condition_ruleset(
            f"'{'a' * (size // 2)}'.replace('a', '{'b' * (size // 2)}') == ''"
        ),
        "split into characters": condition_ruleset(f"'{'é,' * few}'.split('').size() == 1"),
    }
    for what, leaf, step in (
        ("calls that are false", "false || false", "{0}() || {0}()"),
        ("calls that fail", "nobody || nobody", "{0}() || {0}()"),
        ("calls in lists", "1", "[{0}(), {0}()]"),
    ):
        texts[f"fan of {what}"] = _fan(leaf, step)
    for what, start, step in (
        ("text", "'ab'", "{0} + {0}"),
        ("text of bytes", "'ß'", "{0}.toUtf8().toHexString()"),
        ("lists", "['a']", "{0}.concat({0})"),
        ("nested lists", "1", "[{0}, {0}]"),
        ("nested maps", "1", "{{'a': {0}, 'b': {0}}}"),
        ("deep lists", "1", "[{0}]"),
        ("paths", "/a/b", "/$({0})/$({0})"),
        ("replacements", "'abc'", "{0}.replace('', {0})"),
        ("joined lists", "'abc'", "[{0}, {0}].join({0})"),
        ("differences", "1", "[{{'a': {0}}}.diff({{'a': {0}}}).affectedKeys(), {0}]"),
    ):
        for use in ("x == x", "[x].toSet().size() == 1", "x in [x]", "string(x) == 'a'"):
            texts[f"growing {what}: {use}"] = _growth(start, step, use)
    return texts


def _firestore(body: str) -> str:
    return condition_ruleset(None).replace("match /{d=**} { allow get; }", body)


def _fan(leaf: str, step: str) -> str:
    functions = [f"function f0() {{ return {leaf}; }}"]
    functions += [f"function f{i + 1}() {{ return {step.format(f'f{i}')}; }}\n" for i in range(20)]
    return "\n".join(functions) + condition_ruleset("f20()").partition("\n")[2]


def _growth(start: str, step: str, use: str) -> str:
    """Return a ruleset whose lets double a value 88 times before it is used."""
    functions = [f"function f0(x) {{ return {use}; }}"]
    for number in range(8):
        names = ["x", *(f"a{i}" for i in range(11))]
        lets = " ".join(f"let {name} = {step.format(before)};" for before, name in pairwise(names))
        functions.append(f"function f{number + 1}(x) {{ {lets} return f{number}(a10); }}")
    return "\n".join(functions) + condition_ruleset(f"f8({start})").partition("\n")[2]
