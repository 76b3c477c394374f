"""Rules coverage over HTTP, as the scripts of rules tests fetch it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from google.api_core.exceptions import PermissionDenied

from harness.rules.coverage import CoverageCounts
from tests.server.running import Project

RULES = """\
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /notes/{note} {
      allow read: if resource.data.public == true || request.auth.uid == note;
      allow write: if exists(/databases/$(database)/documents/editors/$(request.auth.uid));
    }
  }
}
"""
# A closing tag in the rules must not end the page's script.
HOSTILE = RULES + "// </script><script>document.title = 'taken over'</script> \u2028 & '\"\n"


def put_rules(project: Project, text: str) -> int:
    body = {"rules": {"files": [{"content": text}]}}
    answer = project.server.http("PUT", f"{project.emulator}:securityRules", data=json.dumps(body))
    return answer.status_code


def report(project: Project) -> Any:
    answer = project.server.http("GET", f"{project.emulator}:ruleCoverage")
    assert answer.status_code == 200
    return answer.json()


def counts(node: Any) -> dict[str, int]:
    return {json.dumps(each["value"]): each["count"] for each in node.get("values", ())}


def test_before_any_request_there_are_positions_and_no_values(project: Project) -> None:
    put_rules(project, RULES)
    content = report(project)
    assert content["rules"]["files"] == [{"content": RULES, "name": "firestore.rules"}]
    read, write = content["report"]
    at = read["sourcePosition"]
    text = RULES[at["currentOffset"] : at["endOffset"] + 1]
    assert text == "resource.data.public == true || request.auth.uid == note"
    assert (at["line"], at["column"]) == (5, 22)
    assert "values" not in json.dumps([read, write])


def test_requests_of_every_client_count_and_those_of_administrators_do_not(
    project: Project, db: Any
) -> None:
    put_rules(project, RULES)
    db.document("notes/ana").set({"public": False})
    project.as_user("ana").document("notes/ana").get()
    with pytest.raises(PermissionDenied):
        project.as_user("bob").document("notes/ana").get()
    read, _ = report(project)["report"]
    assert counts(read) == {'{"boolValue": true}': 1, '{"boolValue": false}': 1}


def test_counting_reads_no_document_a_second_time(project: Project, db: Any) -> None:
    put_rules(project, RULES)
    db.document("editors/ana").set({})
    before = project.cost()
    project.as_user("ana").document("notes/n").set({"public": True})
    assert project.cost()["billed"]["rulesReads"] - before["billed"]["rulesReads"] == 1
    _, write = report(project)["report"]
    assert counts(write) == {'{"boolValue": true}': 1}


def test_loading_rules_begins_a_new_count_and_a_failed_load_does_not(
    project: Project, db: Any
) -> None:
    put_rules(project, RULES)
    db.document("notes/n").set({"public": True})
    project.as_user("ana").document("notes/n").get()
    assert put_rules(project, "service cloud.firestore {") == 400
    assert counts(report(project)["report"][0])
    assert put_rules(project, RULES) == 200
    assert not counts(report(project)["report"][0])


def test_the_harness_gets_all_counts_of_a_text_also_from_before_a_reload(
    project: Project, db: Any
) -> None:
    text = f"{RULES}// {project.id}\n"
    db.document("notes/n").set({"public": True})
    for _ in range(2):
        put_rules(project, text)
        project.as_user("ana").document("notes/n").get()
    put_rules(project, RULES)
    content = project.server.http("GET", "/harness/v1/rules:coverage").json()
    (mine,) = (each for each in content["rulesets"] if each["text"] == text)
    gathered = CoverageCounts.from_json(mine)
    condition = text.index("resource.data.public")
    assert 2 in {gathered.count(span) for span in gathered.visits if span.start == condition}


def test_without_rules_there_is_nothing_to_report(project: Project) -> None:
    assert report(project) == {"rules": {"files": []}}
    answer = project.server.http("GET", f"{project.emulator}:ruleCoverage.html")
    assert answer.status_code == 404
    assert "no security rules" in answer.text


def test_the_page_holds_the_same_json_and_needs_no_network(project: Project, db: Any) -> None:
    put_rules(project, HOSTILE)
    db.document("notes/n").set({"public": True, "text": "</script>"})
    project.as_user("ana").document("notes/n").get()
    answer = project.server.http("GET", f"{project.emulator}:ruleCoverage.html")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = answer.text
    assert "<title>Firestore Rule Coverage Report</title>" in page
    embedded = re.search(r'id="coverage-data">(.*?)</script>', page, re.DOTALL)
    assert embedded is not None
    assert json.loads(embedded[1]) == report(project)
    assert page.count("<script") == page.count("</script>") == 2
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert "Expression never evaluated" in page
    assert 'title="true × 1"' in page
