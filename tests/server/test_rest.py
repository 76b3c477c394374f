"""REST, as the web SDK's lite build, the Emulator UI and the Storage rules runtime use it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.server.running import Project

OWNER = {"Authorization": "Bearer owner"}


class Api:
    def __init__(self, project: Project) -> None:
        self._project = project
        self.name = f"projects/{project.id}/databases/(default)/documents"

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        options.setdefault("headers", OWNER)
        return self._project.server.http(
            method, f"{self._project.root}{path}", json=body, **options
        )


@pytest.fixture
def api(project: Project) -> Api:
    return Api(project)


def fields(**values: Any) -> dict[str, Any]:
    return {"fields": {name: {"integerValue": str(value)} for name, value in values.items()}}


def test_a_document_is_created_read_changed_and_deleted(api: Api) -> None:
    created = api("POST", "/users?documentId=ana", fields(n=1)).json()
    assert created["name"] == f"{api.name}/users/ana"
    assert created["createTime"] == created["updateTime"]
    patched = api("PATCH", "/users/ana?updateMask.fieldPaths=m", fields(m=2, ignored=3)).json()
    assert patched["fields"] == {"n": {"integerValue": "1"}, "m": {"integerValue": "2"}}
    masked = api("GET", "/users/ana?mask.fieldPaths=m").json()
    assert masked["fields"] == {"m": {"integerValue": "2"}}
    deleted = api("DELETE", "/users/ana")
    assert (deleted.status_code, deleted.text) == (200, "{\n}\n")
    missing = api("GET", "/users/ana")
    assert missing.status_code == 404
    assert missing.json()["error"]["status"] == "NOT_FOUND"


def test_an_id_is_made_up_where_none_is_given(api: Api) -> None:
    name = api("POST", "/users", fields(n=1)).json()["name"]
    document_id = name.rpartition("/")[2]
    assert len(document_id) == 20
    assert document_id.isalnum()


def test_creating_what_exists_conflicts(api: Api) -> None:
    api("POST", "/users?documentId=ana", fields(n=1))
    answer = api("POST", "/users?documentId=ana", fields(n=1))
    assert (answer.status_code, answer.json()["error"]["status"]) == (409, "ALREADY_EXISTS")


def test_preconditions_come_as_query_parameters(api: Api) -> None:
    refused = api("PATCH", "/users/ana?currentDocument.exists=true", fields(n=1))
    assert refused.status_code == 404
    stored = api("PATCH", "/users/ana?currentDocument.exists=false", fields(n=1)).json()
    time = quote(stored["updateTime"])
    assert api("DELETE", f"/users/ana?currentDocument.updateTime={time}").status_code == 200


def test_a_collection_is_listed_page_by_page(api: Api) -> None:
    for number in range(3):
        api("PATCH", f"/items/{number}", fields(n=number))
    first = api("GET", "/items?pageSize=2").json()
    assert [d["name"].rpartition("/")[2] for d in first["documents"]] == ["0", "1"]
    second = api("GET", f"/items?pageSize=2&pageToken={quote(first['nextPageToken'])}").json()
    assert [d["name"].rpartition("/")[2] for d in second["documents"]] == ["2"]
    assert "nextPageToken" not in second
    everything = api("GET", "/").json()
    assert len(everything["documents"]) == 3


def test_an_id_with_escaped_characters_is_found(api: Api) -> None:
    api("PATCH", "/caf%C3%A9s/a%20b:c", fields(n=1))
    found = api("GET", "/caf%C3%A9s/a%20b:c").json()
    assert found["name"] == f"{api.name}/cafés/a b:c"


def test_a_query_answers_an_array(api: Api) -> None:
    for number in range(3):
        api("PATCH", f"/items/{number}", fields(n=number))
    query = {
        "structuredQuery": {
            "from": [{"collectionId": "items"}],
            "where": {
                "fieldFilter": {
                    "field": {"fieldPath": "n"},
                    "op": "GREATER_THAN",
                    "value": {"integerValue": "0"},
                }
            },
            "orderBy": [{"field": {"fieldPath": "n"}, "direction": "DESCENDING"}],
        }
    }
    answer = api("POST", ":runQuery", query)
    found = answer.json()
    assert [item["document"]["fields"]["n"]["integerValue"] for item in found] == ["2", "1"]
    assert all(item["readTime"] for item in found)
    assert found[-1]["done"] is True
    assert answer.text.startswith("[\n{")
    # No newline at the end: the published Python client's REST transport would stumble on it.
    assert answer.text.endswith("}\n]")


def test_an_empty_query_answers_its_read_time(api: Api) -> None:
    (only,) = api(
        "POST", ":runQuery", {"structuredQuery": {"from": [{"collectionId": "x"}]}}
    ).json()
    assert only["readTime"]
    assert "document" not in only


def test_a_query_below_a_document_takes_its_parent_from_the_path(api: Api) -> None:
    api("PATCH", "/users/ana/tasks/1", fields(n=1))
    query = {"parent": "nonsense", "structuredQuery": {"from": [{"collectionId": "tasks"}]}}
    (found,) = api("POST", "/users/ana:runQuery", query).json()
    assert found["document"]["name"] == f"{api.name}/users/ana/tasks/1"


def test_an_aggregation_says_that_it_is_done(api: Api) -> None:
    api("PATCH", "/items/1", fields(n=1))
    query = {
        "structuredAggregationQuery": {
            "structuredQuery": {"from": [{"collectionId": "items"}]},
            "aggregations": [{"alias": "all", "count": {}}],
        }
    }
    (found,) = api("POST", ":runAggregationQuery", query).json()
    assert found["result"]["aggregateFields"] == {"all": {"integerValue": "1"}}
    assert found["done"] is True


def test_commit_batch_get_and_transactions(api: Api) -> None:
    name = f"{api.name}/users/ana"
    transaction = api("POST", ":beginTransaction", {}).json()["transaction"]
    found = api("POST", ":batchGet", {"documents": [name], "transaction": transaction}).json()
    assert found[0]["missing"] == name
    body = {"writes": [{"update": {"name": name, **fields(n=1)}}], "transaction": transaction}
    committed = api("POST", ":commit", body).json()
    assert committed["writeResults"][0]["updateTime"] == committed["commitTime"]
    assert api("POST", ":rollback", {"transaction": transaction}).status_code == 200
    found = api("POST", ":batchGet", {"documents": [name]}).json()
    assert found[0]["found"]["fields"] == {"n": {"integerValue": "1"}}


def test_batch_write_answers_each_write_by_itself(api: Api) -> None:
    body = {
        "writes": [
            {"update": {"name": f"{api.name}/users/a", **fields(n=1)}},
            {"delete": f"{api.name}/users/b", "currentDocument": {"exists": True}},
        ]
    }
    answer = api("POST", ":batchWrite", body).json()
    assert answer["status"][0] == {}
    assert answer["status"][1]["code"] == 5
    assert "updateTime" in answer["writeResults"][0]


def test_collection_ids_are_listed_for_administrators_only(api: Api) -> None:
    api("PATCH", "/users/ana/tasks/1", fields(n=1))
    assert api("POST", ":listCollectionIds", {}).json() == {"collectionIds": ["users"]}
    assert api("POST", "/users/ana:listCollectionIds", {}).json() == {"collectionIds": ["tasks"]}
    assert api("POST", ":listCollectionIds", {}, headers={}).status_code == 403


def test_values_are_spelled_as_proto_json_has_them(api: Api) -> None:
    values = {
        "nan": {"doubleValue": "NaN"},
        "infinite": {"doubleValue": "-Infinity"},
        "double": {"doubleValue": 1.5},
        "int": {"integerValue": "9223372036854775807"},
        "bytes": {"bytesValue": "AP8="},
        "time": {"timestampValue": "2026-11-22T12:00:00.123456Z"},
        "null": {"nullValue": None},
        "false": {"booleanValue": False},
        "place": {"geoPointValue": {"latitude": 1.5, "longitude": -2.0}},
        "list": {"arrayValue": {}},
        "map": {"mapValue": {"fields": {"a": {"stringValue": ""}}}},
        "ref": {"referenceValue": f"{api.name}/a/b"},
    }
    stored = api("PATCH", "/values/all", {"fields": values})
    assert stored.status_code == 200, stored.text
    assert api("GET", "/values/all").json()["fields"] == values


@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_a_slash_before_a_verb_is_passed_over(api: Api, slash: str) -> None:
    query = {"structuredQuery": {"from": [{"collectionId": "c"}]}}
    for path, parent in (("/c/a", ""), ("/c/a/c/b", "/c/a")):
        api("PATCH", path, fields(n=1))
        found = api("POST", f"{parent}{slash}:runQuery", query).json()
        assert [each["document"]["name"] for each in found] == [f"{api.name}{path}"]
    assert api("POST", f"{slash}:commit", {"writes": []}).status_code == 200


ENUM = "type.googleapis.com/google.firestore.v1.StructuredQuery.Direction"


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        (
            "PATCH",
            "/c/a",
            {"fields": {"n": {"integerValue": 1}, "s": {"strValue": "x"}}},
            "Unknown name \"strValue\" at 'document.fields[1].value': Cannot find field.",
        ),
        (
            "POST",
            "/c",
            {"fields": {"l": {"arrayValue": {"values": [{"value": 1}]}}}},
            "Unknown name \"value\" at 'document.fields[0].value.array_value.values[0]': "
            "Cannot find field.",
        ),
        ("POST", ":runQuery", {"query": {}}, 'Unknown name "query": Cannot find field.'),
        (
            "POST",
            ":runQuery",
            {"structuredQuery": {"orderBy": {"field": {"fieldPath": "n"}, "dir": "ASCENDING"}}},
            "Unknown name \"dir\" at 'structured_query.order_by': Cannot find field.",
        ),
        (
            "POST",
            ":runQuery",
            {"structuredQuery": {"orderBy": [{"direction": "DESC"}]}},
            f"Invalid value at 'structured_query.order_by[0].direction' ({ENUM}), \"DESC\"",
        ),
        (
            "GET",
            "/c?pagesize=3",
            None,
            'Unknown name "pagesize": Cannot bind query parameter. '
            "Field 'pagesize' could not be found in request message.",
        ),
        (
            "PATCH",
            "/c/a?updateMask=n",
            {},
            'Unknown name "updateMask": Cannot bind query parameter. '
            "'update_mask' is a message type.",
        ),
        (
            "POST",
            ":commit?documentId=a",
            {},
            'Unknown name "documentId": Cannot bind query parameter. '
            "Field 'documentId' could not be found in request message.",
        ),
    ],
)
def test_a_name_that_the_api_does_not_have_is_refused(
    api: Api, method: str, path: str, body: Any, problem: str
) -> None:
    answer = api(method, path, body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    assert error["message"].removeprefix("Invalid JSON payload received. ") == problem


def test_names_in_any_of_their_spellings_are_taken(api: Api) -> None:
    system = "alt=json&key=k&prettyPrint=false&$alt=json;enum-encoding=int&%24httpHeaders=x"
    made = {"fields": {"a": {"array_value": {"values": [{"nullValue": None}]}}}}
    path = f"/c/a?update_mask.field_paths=a&current_document.exists=false&{system}"
    assert api("PATCH", path, made).status_code == 200
    order = {"field": {"field_path": "a"}, "direction": 2}
    query = {"structured_query": {"from": [{"collection_id": "c"}], "order_by": [order]}}
    found = api("POST", ":runQuery", query).json()
    assert found[0]["document"]["fields"] == {
        "a": {"arrayValue": {"values": [{"nullValue": None}]}}
    }
    assert len(api("GET", f"/c?page_size=1&{system}").json()["documents"]) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (":commit", "{"),
        (":commit", "[]"),
        (":commit", '{"writes": 1}'),
        (":runQuery", '{"structuredQuery": {"limit": "many"}}'),
        (":runQuery", '{"structuredQuery": {"limit": {"value": 1e999}}}'),
        ("/c", '{"fields": {"t": {"timestampValue": {"seconds": 1e999}}}}'),
        ("/c", '{"fields": {"t": {"timestampValue": {"seconds": null}}}}'),
        ("/c", '{"fields": {"t": {"timestampValue": {"nanos": 1e30}}}}'),
        ("/c", '{"fields": {"n": {"nullValue": 1e999}}}'),
        ("/c", '{"fields": {"n": {"nullValue": {}}}}'),
        (":commit", '{"writes": ["\\ud800"]}'),
    ],
)
def test_a_payload_that_is_none_is_refused(project: Project, path: str, body: str) -> None:
    answer = project.server.http("POST", f"{project.root}{path}", data=body, headers=OWNER)
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "code": 400,
        "message": "Payload isn't valid for request.",
        "status": "INVALID_ARGUMENT",
    }


def test_the_older_prefix_works_too(project: Project, api: Api) -> None:
    api("PATCH", "/users/ana", fields(n=1))
    answer = project.server.http("GET", f"/v1beta1/{api.name}/users/ana")
    assert answer.status_code == 200


def test_a_name_error_is_reported_before_a_bad_token(project: Project) -> None:
    answer = project.server.http(
        "GET", f"{project.root}/users/__x__", headers={"Authorization": "Bearer nonsense"}
    )
    assert (
        answer.json()["error"]["message"]
        == 'Resource id "__x__" is invalid because it is reserved.'
    )


def test_rules_apply_to_rest(project: Project, api: Api) -> None:
    project.load_rules("service cloud.firestore { match /x { match /y { allow read; } } }")
    answer = api("GET", "/users/ana", headers={})
    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == "No matching allow statements"


def test_storage_rules_ask_for_a_document_of_another_project(project: Project, api: Api) -> None:
    api("PATCH", "/users/ana", fields(n=1))
    elsewhere = "/v1/projects/demo-elsewhere/databases/(default)/documents/users/ana"
    ask = project.server.http
    assert ask("GET", elsewhere, headers=OWNER).status_code == 404
    found = ask("GET", f"{elsewhere}?harness-project={project.id}", headers=OWNER).json()
    assert found["name"] == f"{api.name}/users/ana"


def test_a_caller_is_judged_by_the_rules_of_the_project_that_is_asked_for(
    project: Project, api: Api
) -> None:
    project.load_rules("service cloud.firestore { }")
    api("PATCH", "/users/ana", fields(n=1))
    elsewhere = "/v1/projects/demo-elsewhere/databases/(default)/documents/users/ana"
    asked = project.server.http("GET", f"{elsewhere}?harness-project={project.id}")
    assert asked.status_code == 403
