"""Every limit of the rules language, each with its source. Numbers, and the words of passing them.

Where the documentation and a measurement of production disagree, a ruleset is refused from the
measured bound.
"""

from __future__ import annotations

# Source: Security Rules guide, "Manage and deploy", Limits: document access calls per
# single-document request or query, and per multi-document read, transaction or batched write.
SINGLE_REQUEST_ACCESS_CALLS = 10
BATCH_ACCESS_CALLS = 20
# Source: the same, Cloud Storage: firestore.get() and firestore.exists() per evaluation. Production
# denies at the third document (measured); the official Storage emulator does not count.
STORAGE_ACCESS_CALLS = 2
# Source: the same: expressions evaluated per request.
EXPRESSIONS_PER_REQUEST = 1000
# Source: the same: nested match statements; segments and captures over a set of nested matches.
MATCH_DEPTH = 10
PATH_SEGMENTS = 100
PATH_CAPTURES = 20
# Source: the same: arguments of a function.
FUNCTION_ARGUMENTS = 7
# Documented as 10; production compiles 11 (measured).
LET_BINDINGS = 11
# Documented as 20; production compiles a chain of 21 (measured).
CALL_DEPTH = 21
# Measured: nesting level 99 compiles, 100 does not. The root is 1; each parenthesis pair and
# operator adds 1.
EXPRESSION_NESTING = 99
# Source: the same: a ruleset's source text.
SOURCE_BYTES = 256 * 1024

# The official runtime bounds memory too (firebase/firebase-tools#5453: "maximum memory usage of
# 1000"), in a unit that is not known. Ours: characters of a string and of a path, and elements of a
# list or map with all that it holds. A document has at most 1 MiB, its path 6 KiB.
TEXT_LENGTH = 10_000_000
PATH_LENGTH = 100_000
ELEMENTS = 1_000_000
# Our own: RE2 needs memory for each group of a regular expression times its length.
PATTERN_LENGTH = 10_000

# Our own, to keep within Python's stack: how deep lists and maps may nest in each other (a document
# nests 20 deep), and all kinds of nesting in one expression, calls and brackets
# included.
VALUE_DEPTH = 100
TREE_HEIGHT = 150


def access_text(limit: int) -> str:
    """Word the error for one document access too many."""
    return f"Service call error. The maximum of {limit} document access calls has been reached."


BUDGET_TEXT = (
    "Unable to evaluate the expression as the maximum of 1000 expressions to evaluate "
    "has been reached."
)
MEMORY_TEXT = (
    "Unable to evaluate the expression as the maximum memory usage of 1000 has been reached."
)
SEGMENTS_TEXT = f"Maximum of {PATH_SEGMENTS} path segments is exceeded."
COMPLEXITY_TEXT = "Expression is too complex to evaluate safely."
