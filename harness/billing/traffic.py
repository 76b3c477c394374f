"""How much an app is used: `traffic:` of harness.yaml -> TrafficModel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from harness.yaml_settings import YamlReader

DAYS_A_MONTH = 30
"""A month of the forecast. Bills have 28 to 31 days; a rounder figure hides nothing."""

_MOST = 100_000_000_000
"""More than there are people; whoever writes more has mistaken a unit."""

TRAFFIC_KEYS = (
    "location",
    "users",
    "sessions_a_day",
    "actions_a_session",
    "growth_a_month",
    "stored_gib",
    "function_ms",
    "function_memory_gib",
    "function_vcpu",
    "prices",
)


@dataclass(frozen=True, slots=True)
class TrafficModel:
    """Who uses the app, how often, and what for.

    Attributes:
        location: Where the database lies, such as `europe-west3`; prices differ.
        users: Active users.
        sessions_a_day: Of one user, on average.
        actions_a_session: Name of a scenario -> how often it happens in a session, on average.
        growth_a_month: Percent by which the users become more each month.
        stored_gib: What the database holds already, indexes included.
        function_ms: How long one run of a function takes in production. An emulator cannot tell.
        function_memory_gib: Of one instance of a function.
        function_vcpu: Of one instance of a function.
        prices: A price list of the project's own, by its path; None: the one that the harness has.
    """

    location: str
    users: float
    sessions_a_day: float
    actions_a_session: Mapping[str, float]
    growth_a_month: float = 0
    stored_gib: float = 0
    function_ms: float = 300
    function_memory_gib: float = 0.25
    function_vcpu: float = 1
    prices: str | None = None

    def runs_a_day(self, action: str) -> float:
        """Return how often a scenario happens on one day, over all users."""
        return self.users * self.sessions_a_day * self.actions_a_session.get(action, 0)


def _number(reader: YamlReader, node: yaml.Node, name: str) -> float:
    number = reader.number(node, name)
    if number > _MOST:
        raise reader.error(node, f"{name} is beyond all measure", f"write {_MOST:,} at most")
    return number


def read_traffic(reader: YamlReader, node: yaml.Node) -> TrafficModel:
    """Read `traffic:`.

    Raises:
        ConfigError: A key is missing or not known, or a number is none; with the position.
    """
    entries = reader.mapping(node, "traffic", allowed=TRAFFIC_KEYS)
    for key in ("location", "users", "sessions_a_day", "actions_a_session"):
        if key not in entries:
            raise reader.error(
                node,
                f"traffic lacks {key}",
                "give it location, users, sessions_a_day and actions_a_session",
            )
    actions = {
        name: _number(reader, value, f"traffic.actions_a_session.{name}")
        for name, value in reader.mapping(
            entries["actions_a_session"], "traffic.actions_a_session"
        ).items()
    }
    numbers = {
        key: _number(reader, entries[key], f"traffic.{key}")
        for key in TRAFFIC_KEYS
        if key in entries and key not in ("location", "actions_a_session", "prices")
    }
    prices = reader.path(entries["prices"], "traffic.prices") if "prices" in entries else None
    return TrafficModel(
        location=reader.string(entries["location"], "traffic.location"),
        actions_a_session=actions,
        prices=prices,
        **numbers,
    )
