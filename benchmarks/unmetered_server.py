"""The embedded Firestore without its meter, to see what metering costs. No user has use for it:
what is not metered cannot be verified.

Everything of `harness/backend/metering.py` that a request calls is replaced by nothing; the record
itself stays, since errors and locks are known by it.
"""

import sys
from contextlib import contextmanager

from harness.backend import metering, service
from harness.server import grpc, shell
from harness.server.__main__ import main

_METER = {
    metering.RequestLog: ("append",),
    metering.RequestRecord: ("sent",),
    metering.Tally: ("add", "add_cost"),
    service.DatabaseService: ("_meter_writes", "_meter_query"),
    service: ("query_shape", "query_collection"),
    grpc: ("count_sent",),
    shell: ("count_sent",),
}


def _nothing(*arguments, **named):
    return None


@contextmanager
def without_meter():
    """Have nothing metered within the block."""
    kept = [(owner, name, vars(owner)[name]) for owner, names in _METER.items() for name in names]
    for owner, name, _ in kept:
        setattr(owner, name, staticmethod(_nothing) if isinstance(owner, type) else _nothing)
    try:
        yield
    finally:
        for owner, name, found in kept:
            setattr(owner, name, found)


if __name__ == "__main__":
    with without_meter():
        sys.exit(main())
