"""Findings of the linter as text, JSON, SARIF and workflow annotations."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.reports.lint import LintedFile, lint_to_github, lint_to_json, lint_to_text
from harness.reports.sarif import lint_to_sarif
from harness.rules.lint.linter import LINT_RULES, lint_ruleset
from harness.rules.ruleset import load_ruleset
from harness.source import SourceText

RULES = """\
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /a/{id} { allow get: if '😀' == id || request.auth.uid.size > 3; }
    match /b/{id} {
      allow write: if
        true;
    }
  }
}
"""
# What of SARIF 2.1.0 the log uses, as the standard has it; nothing else may be in it.
TEXT = {"type": "object", "required": ["text"], "additionalProperties": False}
MESSAGE = {**TEXT, "properties": {"text": {"type": "string", "minLength": 1}}}
COUNT = {"type": "integer", "minimum": 1}
LEVEL = {"enum": ["none", "note", "warning", "error"]}


def closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


LOCATION = closed(
    {
        "uri": {"type": "string", "format": "uri-reference"},
        "uriBaseId": {"const": "SRCROOT"},
        "index": {"type": "integer", "minimum": 0},
    },
    "uri",
)
REGION = closed(
    dict.fromkeys(("startLine", "startColumn", "endLine", "endColumn"), COUNT), "startLine"
)
DESCRIPTOR = closed(
    {
        "id": {"type": "string"},
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": {
            **TEXT,
            "properties": {"text": {"type": "string"}, "markdown": {"type": "string"}},
        },
        "helpUri": {"type": "string", "format": "uri"},
        "defaultConfiguration": closed({"level": LEVEL}),
        "properties": closed({"tags": {"type": "array", "uniqueItems": True}}),
    },
    "id",
)
RESULT = closed(
    {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": -1},
        "level": LEVEL,
        "message": MESSAGE,
        "locations": {
            "type": "array",
            "items": closed(
                {"physicalLocation": closed({"artifactLocation": LOCATION, "region": REGION})}
            ),
        },
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "message",
)
RUN = closed(
    {
        "tool": closed(
            {
                "driver": closed(
                    {
                        "name": {"type": "string"},
                        "semanticVersion": {"type": "string"},
                        "rules": {"type": "array", "items": DESCRIPTOR, "uniqueItems": True},
                    },
                    "name",
                )
            },
            "driver",
        ),
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "originalUriBaseIds": closed({"SRCROOT": closed({"description": MESSAGE})}),
        "artifacts": {"type": "array", "items": closed({"location": LOCATION})},
        "results": {"type": "array", "items": RESULT},
    },
    "tool",
)
LOG = closed(
    {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": RUN},
    },
    "version",
    "runs",
)


def linted(text: str = RULES, uri: str = "rules/fire store.rules") -> LintedFile:
    source = SourceText("firestore.rules", text)
    loaded = load_ruleset(source)
    assert loaded.ruleset is not None, loaded.issues
    ruleset = loaded.ruleset
    findings = lint_ruleset(
        source, ruleset.tree, ruleset.resolved, loaded.issues, today=date(2026, 1, 1)
    )
    return LintedFile(uri, source, findings)


def sarif(*files: LintedFile) -> dict[str, Any]:
    log = json.loads(lint_to_sarif(files, tuple(LINT_RULES.values()), "1.2.3"))
    assert isinstance(log, dict)
    return log


def test_the_sarif_log_has_the_shape_of_the_standard() -> None:
    checker = jsonschema.FormatChecker()
    jsonschema.Draft7Validator(LOG, format_checker=checker).validate(sarif(linted(), linted()))


@pytest.mark.skipif(
    "HARNESS_SARIF_SCHEMA" not in os.environ,
    reason="HARNESS_SARIF_SCHEMA does not name the official sarif-schema-2.1.0.json",
)
def test_the_sarif_log_is_valid_by_the_official_schema() -> None:
    schema = json.loads(Path(os.environ["HARNESS_SARIF_SCHEMA"]).read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)
    validator(schema, format_checker=jsonschema.FormatChecker()).validate(sarif(linted()))


def test_each_result_is_of_a_rule_that_the_log_describes() -> None:
    (run,) = sarif(linted())["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == list(LINT_RULES)
    assert [result["ruleId"] for result in run["results"]] == ["missing-parentheses", "open-rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]


def test_columns_count_utf16_code_units_and_ends_are_behind_the_last_one() -> None:
    (run,) = sarif(linted())["runs"]
    first, second = (
        result["locations"][0]["physicalLocation"]["region"] for result in run["results"]
    )
    line = RULES.splitlines()[3]
    units = line[: line.index("request")].encode("utf-16-le")
    assert first == {
        "startLine": 4,
        "startColumn": len(units) // 2 + 1,
        "endLine": 4,
        "endColumn": len(units) // 2 + 1 + len("request.auth.uid.size"),
    }
    assert second == {"startLine": 6, "startColumn": 7, "endLine": 7, "endColumn": 14}


def test_addresses_are_relative_and_escaped() -> None:
    (run,) = sarif(linted())["runs"]
    location = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": "rules/fire%20store.rules", "uriBaseId": "SRCROOT", "index": 0}


def test_an_address_outside_the_folder_is_whole() -> None:
    (run,) = sarif(linted(uri="file:///tmp/x.rules"))["runs"]
    assert run["artifacts"] == [{"location": {"uri": "file:///tmp/x.rules"}}]


def test_a_fingerprint_stays_when_lines_move_and_differs_for_each_finding() -> None:
    def fingerprints(text: str) -> list[str]:
        (run,) = sarif(linted(text))["runs"]
        return [value for each in run["results"] for value in each["partialFingerprints"].values()]

    moved = RULES.replace("service", "\n\n// More.\nservice").replace("if\n        true", "if true")
    assert fingerprints(moved) == fingerprints(RULES)
    twice = RULES.replace("match /b/{id}", "match /c/{id} { allow write: if true; }\nmatch /b/{id}")
    assert len(set(fingerprints(twice))) == 3


def test_text_shows_the_line_with_a_caret_and_says_once_how_to_mend() -> None:
    text = lint_to_text([linted(RULES.replace("'😀' == id || ", "")), linted(uri="b.rules")])
    assert text.startswith(
        "rules/fire store.rules:4:35: error: string has no member size; size() is a method "
        "[missing-parentheses]\n"
        "      match /a/{id} { allow get: if request.auth.uid.size > 3; }\n"
        "                                    ^^^^^^^^^^^^^^^^^^^^^\n"
        "  fix: write size()\n"
    )
    assert text.count("fix: write size()") == 1
    assert text.endswith("4 errors in 2 files\n")


def test_text_says_that_nothing_was_found() -> None:
    quiet = linted("rules_version = '2'; service cloud.firestore { }")
    assert lint_to_text([quiet]) == "nothing found in 1 file\n"


def test_json_has_every_finding_with_its_place() -> None:
    value = json.loads(lint_to_json([linted()]))
    assert value["files"] == ["rules/fire store.rules"]
    second = value["findings"][1]
    assert (second["line"], second["column"], second["end_line"], second["end_column"]) == (
        6,
        7,
        7,
        14,
    )
    assert (second["rule"], second["level"]) == ("open-rules", "error")
    assert second["reference"].startswith("https://")


def test_annotations_escape_what_would_end_them() -> None:
    lines = lint_to_github([linted(uri="a,b:c%.rules")]).splitlines()
    assert lines[0].startswith(
        "::error file=a%2Cb%3Ac%25.rules,line=4,endLine=4,col=48,endColumn=69,"
        "title=missing-parentheses::string has no member size"
    )
    assert lines[1].startswith(
        "::error file=a%2Cb%3Ac%25.rules,line=6,endLine=7,title=open-rules::anyone may"
    )
    assert "%0A" in lines[0]
