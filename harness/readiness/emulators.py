"""Whether the `emulators` block of firebase.json is fit for local development."""

from __future__ import annotations

from collections.abc import Iterator

from harness.config import FirebaseConfig
from harness.readiness.review import Problem, Review, count
from harness.workflow.address import nearest_names

# Source: firebase-tools 15.34, schema/firebase-config.json, "emulators".
EMULATORS = (
    "apphosting", "auth", "database", "dataconnect", "eventarc", "extensions", "firestore",
    "functions", "hosting", "hub", "logging", "pubsub", "storage", "tasks", "ui",
)  # fmt: skip
_BLOCK = "firebase.json: emulators"


def review_emulators(config: FirebaseConfig) -> Review:
    """Return what is wrong with the block: a service without an emulator, unknown names, ports that
    two want."""
    problems = tuple(_problems(config))
    named = [name for name in config.emulators if name in EMULATORS]
    return Review(f"firebase.json sets up {count(len(named), 'emulator')}", problems)


def _problems(config: FirebaseConfig) -> Iterator[Problem]:
    if not config.emulators:
        yield Problem("firebase.json", "it sets up no emulator", "run: firebase init emulators")
        return
    for name in config.emulators:
        if name not in EMULATORS:
            near = nearest_names(name, EMULATORS, count=1)
            fix = f"did you mean {near[0]}?" if near else f"use one of {', '.join(EMULATORS)}"
            yield Problem(f"{_BLOCK}.{name}", "there is no such emulator", fix)
    for service, is_there in (
        ("firestore", bool(config.firestore)),
        ("functions", bool(config.functions)),
        ("storage", bool(config.storage)),
    ):
        if is_there and service not in config.emulators:
            yield Problem(
                "firebase.json",
                f"it configures {service}, and no emulator for it",
                f'add under "emulators": "{service}": {{"port": {_DEFAULT_PORTS[service]}}}',
            )
    by_port: dict[int, list[str]] = {}
    for name, address in config.emulators.items():
        if address.port:
            by_port.setdefault(address.port, []).append(name)
    for port, names in by_port.items():
        if len(names) > 1:
            yield Problem(
                _BLOCK, f"{' and '.join(names)} want the same port, {port}", "give each its own"
            )


# Source: Emulator Suite guide, "Install, configure and integrate", default ports.
_DEFAULT_PORTS = {"firestore": 8080, "functions": 5001, "storage": 9199}
