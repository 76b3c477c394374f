"""Whether documents name what there is: every deployed function, every service in use."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from harness.config import FirebaseConfig
from harness.readiness.review import Problem, Review, count

_HEADING_ONLY = re.compile(r"\s*(#.*)?")

# What a document about the stack calls a service, whoever writes it.
_SERVICE_NAMES = {
    "firestore": r"firestore",
    "functions": r"(cloud )?functions",
    "storage": r"storage",
    "auth": r"auth(entication)?",
}


def review_function_names(functions: Collection[str], documents: Mapping[str, str]) -> Review:
    """Return the functions that no document names.

    Args:
        functions: Names of the deployed functions. Grouped ones are called `group-name`; their
            last part alone is enough.
        documents: Texts by file name.
    """
    if not functions:
        return Review("", unknown="no function is deployed")
    if not documents:
        problem = Problem("", "there is no documentation", "describe the functions in docs/api.md")
        return Review("", (problem,))
    words = {word for text in documents.values() for word in re.findall(r"\w+", text)}
    texts = "\n".join(documents.values())
    problems = tuple(
        Problem(
            "",
            f"the function {name} is named in no document ({_shown(documents)})",
            "describe what it does, and who may call it",
        )
        for name in sorted(functions)
        # A function of a group is called `group-name`, and known by its own name.
        if name.rpartition("-")[2] not in words and name not in texts
    )
    named = count(len(functions), "function")
    return Review(f"{named} named in {count(len(documents), 'document')}", problems)


def review_tech_stack(config: FirebaseConfig, documents: Mapping[str, str]) -> Review:
    """Return what the documents about the tech stack lack: text, and the services in use."""
    problems = []
    for name, text in documents.items():
        if all(_HEADING_ONLY.fullmatch(line) for line in text.splitlines()):
            problems.append(Problem(name, "nothing is written there", "write it"))
    used = {
        "firestore": bool(config.firestore),
        "functions": bool(config.functions),
        "storage": bool(config.storage),
        "auth": "auth" in config.emulators,
    }
    texts = "\n".join(documents.values())
    in_use = [service for service, is_used in used.items() if is_used]
    problems += [
        Problem(
            next(iter(documents), ""),
            f"it does not name {service}, which firebase.json configures",
            "say what of it is used, and how",
        )
        for service in in_use
        if not re.search(rf"\b{_SERVICE_NAMES[service]}\b", texts, re.IGNORECASE)
    ]
    return Review(f"{_shown(documents)} name {', '.join(in_use) or 'no service'}", tuple(problems))


def _shown(documents: Collection[str]) -> str:
    names = list(documents)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
