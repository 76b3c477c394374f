"""Requests as the meter records them, for tables."""

from typing import Any

from harness.billing.operations import Operations
from harness.billing.usage import RequestUse


def use(**about: Any) -> RequestUse:
    """A request of the table: `reads`, `writes`, ... and what else `RequestUse` has."""
    billed = {name: about.pop(name, 0) for name in ("reads", "writes", "deletes", "egress_bytes")}
    values: dict[str, Any] = {
        "rpc": "RunQuery",
        "shape": "orders",
        "collection": "orders",
        "caller": "user:ana",
        "is_query": about.get("rpc", "RunQuery") in ("RunQuery", "Listen", "RunAggregationQuery"),
        "operations": Operations(**billed),
        **about,
    }
    for name in ("documents", "plan"):
        if name in values:
            values[name] = tuple(values[name])
    return RequestUse(**values)
