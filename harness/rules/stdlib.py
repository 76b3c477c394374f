"""Every built-in of the rules language in tables: methods by name and receiver, functions by full
name.

The functions themselves, each beside its signature, are in the `builtins_*` modules. Functions that
look at documents (`get`, `exists`, ...) need a request and are the compiler's.
"""

from __future__ import annotations

from harness.rules import builtins_collections, builtins_numbers, builtins_text, builtins_time
from harness.rules.signatures import Overload, types_of

# Method name -> receiver's type -> the overload. No kind has two methods of one name.
METHODS: dict[str, dict[type, Overload]] = {}
for _overload in (
    *builtins_text.METHODS,
    *builtins_collections.METHODS,
    *builtins_numbers.METHODS,
    *builtins_time.METHODS,
):
    for _type in types_of(_overload.receiver or ""):
        METHODS.setdefault(_overload.name, {})[_type] = _overload

# Function name, with its namespace -> its overloads.
FUNCTIONS: dict[str, tuple[Overload, ...]] = {}
for _overload in (*builtins_numbers.FUNCTIONS, *builtins_time.FUNCTIONS):
    FUNCTIONS[_overload.name] = (*FUNCTIONS.get(_overload.name, ()), _overload)

NAMESPACES = frozenset({"math", "hashing", "latlng", "timestamp", "duration", "firestore"})

# Document functions by service: name -> (after the commit?, only whether it exists?).
DOCUMENT_FUNCTIONS: dict[str, dict[str, tuple[bool, bool]]] = {
    "cloud.firestore": {
        "get": (False, False),
        "exists": (False, True),
        "getAfter": (True, False),
        "existsAfter": (True, True),
    },
    "firebase.storage": {"firestore.get": (False, False), "firestore.exists": (False, True)},
}
