"""Asks the embedded Firestore which queries it has refused for want of an index."""

from __future__ import annotations

from harness.emulators.loopback import Loopback, expect_ok

_NAME = "Firestore emulator"
_ANSWER_S = 5


def queries_without_index(address: str) -> tuple[str, ...]:
    """Return the shapes of the queries that an embedded Firestore refused since it began.

    Args:
        address: Its `host:port`. Of another Firestore nothing is known: the answer is empty.
    Raises:
        HarnessError: It does not answer.
    """
    response = Loopback(_NAME, address).request("GET", "/harness/v1/queries", timeout_s=_ANSWER_S)
    if response.status_code == 404:
        return ()
    databases = expect_ok(_NAME, response)["databases"]
    refused = {
        str(query["shape"])
        for use in databases.values()
        for query in use["queries"]
        if query["refused"]
    }
    return tuple(sorted(refused))
