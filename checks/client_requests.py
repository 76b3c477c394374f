"""What the app's Dart code asks for, with samples of what only the running app knows."""

from __future__ import annotations

from datetime import UTC, datetime

import harness

#: By the names in the app's code; a name that is not here is an error.
SAMPLES = {
    "groupId": "home",
    "uid": "alice",
    "archived": False,
    "category": "groceries",
    "code": "HOMECODE22",
    "expenseId": "rent",
    "fileName": "photo.jpg",
    "millisecondsSinceEpoch": 1767355200000,
    "extension": "jpg",
    "now": datetime(2026, 1, 2, tzinfo=UTC),
}

_REQUESTS = harness.ClientRequests(SAMPLES, strict=True)
path_of, query_of, run = _REQUESTS.path, _REQUESTS.query, _REQUESTS.run
