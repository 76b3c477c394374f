"""An app's queries, run by the published client on the embedded Firestore."""

import pytest

import harness
from harness.flutter.contract import (
    DOCUMENT_ID,
    ClientFilter,
    ClientOrder,
    ClientQuery,
    Placeholder,
    QueryRun,
)
from harness.source import SourcePosition
from tests.server.running import new_project_id, running_server

AT = SourcePosition("lib/groups.dart", 1, 1)


@pytest.fixture(scope="module")
def client():
    with running_server() as server:
        client = harness_client(server.host)
        for group, members in (("g1", ["ana", "ben"]), ("g2", ["ana"]), ("g3", [])):
            client.document(f"homes/h1/groups/{group}").set({"members": members, "name": group})
        yield client


def harness_client(host):
    from harness.emulators.firestore_client import firestore_client

    return firestore_client(host, new_project_id())


def query(*filters, orders=(), limit=None, run=QueryRun.GET, home="{home}"):
    return ClientQuery(AT, run, ("homes", home, "groups"), False, filters, orders, limit)


def of_member(value):
    return ClientFilter("members", "ARRAY_CONTAINS", value)


def test_samples_stand_for_what_only_the_running_app_knows(client):
    requests = harness.ClientRequests({"home": "h1", "uid": "ana", "by": "name"})
    assert requests.path(("homes", "{home}")) == "homes/h1"
    uses = {
        2: query(of_member(Placeholder("uid"))),
        1: query(of_member("ben")),
        3: query(orders=(ClientOrder("{by}", descending=True),), limit=5),
        0: query(ClientFilter("name", "IN", Placeholder("unknown"))),
    }
    assert {found: requests.run(client, use) for found, use in uses.items()} == {
        found: found for found in uses
    }
    assert requests.run(client, query(run=QueryRun.AGGREGATE)) == 3
    assert requests.run(client, query(ClientFilter("name", "IS_NULL", True))) == 0


def test_an_order_is_kept_and_so_is_a_limit(client):
    orders = (ClientOrder("name", descending=True),)
    made = harness.ClientRequests({"home": "h1"}).query(client, query(orders=orders, limit=2))
    assert [found.id for found in made.get()] == ["g3", "g2"]


def test_without_samples_an_example_stands_for_values_and_never_for_fields(client):
    use = query(of_member(Placeholder("uid")))
    assert harness.run_client_query(client, use) == 0
    assert harness.run_client_query(client, use, {"home": "h1"}) == 0
    with pytest.raises(LookupError, match=r"which field \{by\} is"):
        harness.run_client_query(client, query(orders=(ClientOrder("{by}", descending=False),)))


def test_strict_requests_refuse_what_has_no_sample(client):
    strict = harness.ClientRequests({"home": "h1"}, strict=True)
    for use, name in (
        (query(of_member(Placeholder("uid"))), "uid"),
        (query(of_member((Placeholder("other"), "x"))), "other"),
        (query(home="{elsewhere}"), "elsewhere"),
    ):
        with pytest.raises(LookupError, match=f"named {name}: give a sample"):
            strict.run(client, use)
    assert strict.run(client, query()) == 3


def test_documents_are_compared_by_their_ids(client):
    requests = harness.ClientRequests({"home": "h1", "id": "g2", "ids": ["g1", "g3", "none"]})
    for found, filters in {
        1: [ClientFilter(DOCUMENT_ID, "EQUAL", Placeholder("id"))],
        2: [ClientFilter(DOCUMENT_ID, "IN", Placeholder("ids"))],
        3: [ClientFilter(DOCUMENT_ID, "GREATER_THAN", "g")],
        0: [ClientFilter(DOCUMENT_ID, "EQUAL", "homes/h2/groups/g1")],
    }.items():
        assert requests.run(client, query(*filters)) == found
    ordered = query(orders=(ClientOrder(DOCUMENT_ID, descending=False),))
    assert [each.id for each in requests.query(client, ordered).get()] == ["g1", "g2", "g3"]
