"""`harness indexes`, on what a real server was asked."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.firestore_v1.base_query import FieldFilter

from harness.emulators.firestore_client import firestore_client
from harness.query_records import write_queries
from tests.cli.conftest import ProjectFolder, Ran
from tests.server.running import running_server

INDEXES = """\
{
  "indexes": [
    {
      "collectionGroup": "orders",
      "queryScope": "COLLECTION",
      "fields": [ // never asked for
        { "fieldPath": "region", "order": "ASCENDING" },
        { "fieldPath": "text", "order": "ASCENDING" }
      ]
    }
  ]
}
"""


def ask(db: Any) -> None:
    for number in range(8):
        db.document(f"orders/{number}").set(
            {
                "status": "open",
                "region": "eu" if number % 2 else "us",
                "n": number,
                "text": "x" * 90,
            }
        )
    db.document("orders/example").set({"example": True})  # as checks of any project do
    orders = db.collection("orders")
    is_open = orders.where(filter=FieldFilter("status", "==", "open"))
    list(is_open.where(filter=FieldFilter("region", "==", "eu")).stream())
    with pytest.raises(exceptions.FailedPrecondition):
        list(is_open.order_by("n").stream())


@pytest.fixture
def asked(project: ProjectFolder) -> ProjectFolder:
    """A project whose last run asked what `ask` asks."""
    project.write(
        "firebase.json",
        '{"firestore": {"rules": "firestore.rules", "indexes": "firestore.indexes.json"}}',
    )
    project.write("firestore.indexes.json", INDEXES)
    with running_server() as server:
        server.http("PUT", "/harness/v1/projects/demo-x/indexes", json=parsed(INDEXES))
        client = firestore_client(server.host, "demo-x")
        ask(client)
        client.close()
        answer = server.http("GET", "/harness/v1/queries").json()
    write_queries(project.path, answer["databases"])
    return project


def parsed(text: str) -> Any:
    return json.loads(text.replace(" // never asked for", ""))


def test_queries_are_listed_with_what_served_them(
    asked: ProjectFolder, harness: Callable[..., Ran]
) -> None:
    ran = harness("indexes", "list")
    assert ran.status == 1
    assert ran.out == (
        "database (default) (firestore.indexes.json): 2 shapes of queries in the last run\n"
        "\n"
        "orders where status == ? order by n\n"
        "    REFUSED 1 of 1: needs (status ASC, n ASC, __name__ ASC): harness indexes suggest\n"
        "\n"
        "orders where status == ? and region == ?\n"
        "    merge of (region ASC, __name__ ASC) + (status ASC, __name__ ASC)\n"
        "    1 request, 4 reads, 11 index entries, 4 documents found (2.8 entries each)\n"
    )
    (refused, merged) = json.loads(harness("indexes", "list", "--json").out)["(default)"]
    assert (refused["refused"], merged["isMerge"], merged["waste"]) == (1, True, 2.75)


def test_a_patch_is_printed_and_written(asked: ProjectFolder, harness: Callable[..., Ran]) -> None:
    ran = harness("indexes", "suggest")
    assert ran.status == 1
    assert ran.out.startswith("--- a/firestore.indexes.json\n+++ b/firestore.indexes.json\n@@")
    assert '+        { "fieldPath": "status", "order": "ASCENDING" },\n' in ran.out
    assert asked.read("firestore.indexes.json") == INDEXES
    ran = harness("indexes", "suggest", "--write")
    assert (ran.status, ran.out) == (0, "firestore.indexes.json: 1 composite index added\n")
    assert "// never asked for" in asked.read("firestore.indexes.json")
    ran = harness("indexes", "suggest")
    assert (ran.status, ran.out) == (0, "every query is served\n")
    assert "REFUSED 1 of 1: served by now" in harness("indexes", "list").out


def test_queries_of_the_app_are_looked_at_too(
    asked: ProjectFolder, harness: Callable[..., Ran]
) -> None:
    asked.write("app/pubspec.yaml", "name: app\n")
    asked.write(
        "app/lib/main.dart",
        "void f(db) { db.collection('feed').orderBy('a').orderBy('b', descending: true).get(); }",
    )
    assert '"collectionGroup": "feed"' in harness("indexes", "suggest").out
    assert '"collectionGroup": "feed"' not in harness("indexes", "suggest", "--no-app").out


def test_what_nothing_used_is_listed_with_its_cost(
    asked: ProjectFolder, harness: Callable[..., Ran]
) -> None:
    ran = harness("indexes", "unused")
    assert ran.status == 0
    assert ran.out.splitlines()[:6] == [
        "database (default) (firestore.indexes.json): 1 of 1 composite indexes unused",
        "  orders (region ASC, text ASC, __name__ ASC)",
        "    1 entries, 151 bytes a document; 8 writes seen",
        "",
        "fields that no query asked for, though each write indexes them:",
        "  orders.text: 2 entries, 306 bytes a document; 8 writes seen",
    ]
    assert "orders.example" not in ran.out
    found = json.loads(harness("indexes", "unused", "--json").out)["(default)"]
    assert found["indexes"][0]["write"] == {"entries": 1.0, "bytes": 151.0, "writesSeen": 8}


def test_an_index_that_the_apps_code_needs_is_not_called_unused(
    asked: ProjectFolder, harness: Callable[..., Ran]
) -> None:
    asked.write("app/pubspec.yaml", "name: app\n")
    query = "db.collection('orders').where('region', isEqualTo: 1).orderBy('text').get();"
    asked.write("app/lib/main.dart", f"void f(db) {{ {query} }}")
    ran = harness("indexes", "unused")
    assert "0 of 1 composite indexes unused" in ran.out
    assert ran.err == ""
    query = "db.collection('orders').where(field, isEqualTo: 1).get(); userRef.update({});"
    asked.write("app/lib/main.dart", f"void f(db) {{ {query}\n q.where('x', isEqualTo: 1); }}")
    ran = harness("indexes", "unused")
    assert "1 of 1 composite indexes unused" in ran.out
    assert "2 uses in the app's code may need more, the first at app/lib/main.dart:1:" in ran.err
    asked.write("other/pubspec.yaml", "name: other\n")
    asked.write("other/lib/main.dart", "")
    ran = harness("indexes", "unused")
    assert ran.status == 0
    assert "the app's code is left out: there are several Flutter apps" in ran.err


def test_without_a_run_there_is_nothing_to_look_at(
    project: ProjectFolder, harness: Callable[..., Ran]
) -> None:
    ran = harness("indexes", "list")
    assert ran.status == 2
    assert ran.err.startswith("harness: no run has left any queries\n  fix: run harness verify")


def test_a_database_without_an_index_file_is_told_where_to_name_one(
    asked: ProjectFolder, harness: Callable[..., Ran]
) -> None:
    asked.write("firebase.json", '{"firestore": {"rules": "firestore.rules"}}')
    ran = harness("indexes", "suggest", "--write")
    assert ran.status == 2
    assert "firebase.json names no index file for the database (default)" in ran.err


def test_a_missing_index_file_is_an_error_with_a_fix(
    asked: ProjectFolder, harness: Callable[..., Ran]
) -> None:
    (asked.path / "firestore.indexes.json").unlink()
    ran = harness("indexes", "unused")
    assert ran.status == 2
    assert "there is no such file" in ran.err


def test_queries_that_cannot_be_read_are_an_error_with_a_fix(
    asked: ProjectFolder, harness: Callable[..., Ran]
) -> None:
    asked.write(".harness/queries/last-run.json", "[]")
    ran = harness("indexes", "list")
    assert ran.status == 2
    assert "fix: delete it, and run the checks again" in ran.err
