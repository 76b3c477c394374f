import dataclasses
import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import harness.reports
from harness.errors import WorkflowError
from harness.reports.escaping import one_line, width_of
from harness.reports.json import report_from_json, report_to_json
from harness.reports.markdown import render_markdown
from harness.reports.model import RunReport, build_report, by_section, changes, headline
from harness.reports.terminal import render_terminal
from harness.source import SourceText
from harness.workflow.document import parse_workflow
from harness.workflow.evidence import CheckResult, Outcome
from harness.workflow.verdict import decide
from tests.workflow import corpus

SCHEMA = json.loads((Path(harness.reports.__file__).parent / "report.schema.json").read_text())

DOCUMENT = """\
# Workflow
## Quality Check
- [ ] Test coverage
- [x] Documentation
- [x] Error handling
## Testing
- [ ] Verify security rules
  - [ ] for every persona
- [ ] Test Cloud Functions
"""
RESULTS = [
    CheckResult(
        "checks/test_rules.py::test_owner_reads",
        Outcome.PASSED,
        "testing/verify-security-rules",
        states="The owner reads their own profile",
        metrics={"reads_billed": 2, "index_entries": 40},
    ),
    CheckResult(
        "checks/test_coverage.py::test_threshold",
        Outcome.FAILED,
        "quality-check/test-coverage",
        reason="71 % of rules expressions, 80 % asked for\nand more",
    ),
    CheckResult(
        "checks/test_functions.py::test_call",
        Outcome.SKIPPED,
        "testing/test-cloud-functions",
        reason="Node is not installed",
    ),
    CheckResult(
        "checks/test_functions.py::test_errors",
        Outcome.SKIPPED,
        "quality-check/error-handling",
        reason="Node is not installed",
    ),
]
TERMINAL = """\
1 of 6 items verified, 1 failed, 4 not verified
1 box ticked, 1 tick taken back, 1 tick that nothing supports
docs/workflow.md · project demo-shop · Firestore: embedded · 2026-11-22T20:00:00+00:00
! Node is not installed

Quality Check
  ✗ Test coverage                               test_threshold failed: 71 % of rules expressions, 80
                                                % asked for
  · Documentation (ticked)                      ticked by hand: nothing supports it, no check is
                                                mapped to this item
  · Error handling (tick taken back)            test_errors was skipped: Node is not installed

Testing
  ✓ Verify security rules (now ticked)          The owner reads their own profile
    · for every persona                         no check is mapped to this item
  · Test Cloud Functions                        test_call was skipped: Node is not installed

Counted
  test_owner_reads                              index entries 40, reads billed 2

5 items are not verified. Why, and what would verify each: harness report --unchecked
"""
UNCHECKED = """\
Testing
  · Verify security rules / for every persona
    why:   no check is mapped to this item
    needs: a check marked @pytest.mark.workflow("Testing/Verify security rules/for every persona"),
           or a sign-off by a person
    run:   harness verify --item testing/verify-security-rules/for-every-persona
  · Test Cloud Functions
    why:   test_call was skipped: Node is not installed
    needs: checks that call each function, and trigger each trigger, in the Functions emulator
    run:   harness verify --item testing/test-cloud-functions
"""


def report(text=DOCUMENT, results=RESULTS, **changes) -> RunReport:
    document = parse_workflow(SourceText("docs/workflow.md", text))
    arguments = {
        "project": "demo-shop",
        "started_at": "2026-11-22T20:00:00+00:00",
        "suite": "embedded",
        "missing": ["Node is not installed"],
    }
    return build_report(document, decide(document, results), **{**arguments, **changes})


def plain_report(text: str) -> RunReport:
    """A report in which a text stands everywhere that text from a user's file can stand."""
    check = CheckResult(text, Outcome.FAILED, "i", text, text, metrics={text: 1, "b": text})
    base = report(missing=[text], project=text, started_at=text, suite=text, unmapped=[check])
    item = dataclasses.replace(
        base.items[0],
        heading_path=(text, text),
        ancestors=(text,),
        text=text,
        reason=text,
        would_verify=dataclasses.replace(base.items[0].would_verify, sentence=text),
        checks=(check,),
    )
    return dataclasses.replace(base, workflow_path=text, items=(item,))


def test_the_terminal_report_is_what_a_person_reads_first_to_last():
    assert render_terminal(report()) == TERMINAL


def test_the_unchecked_report_says_why_and_what_is_needed():
    text = render_terminal(report(), unchecked=True)
    assert text.endswith(UNCHECKED)


def test_the_unchecked_report_has_the_reason_of_each_check_that_did_not_pass():
    def check(name: str, outcome: Outcome, reason: str) -> CheckResult:
        return CheckResult(f"checks/test_a.py::{name}", outcome, "a", reason=reason)

    results = [
        check("test_skipped", Outcome.SKIPPED, "no Node"),
        check("test_passed", Outcome.PASSED, ""),
        check("test_left_out", Outcome.DESELECTED, ""),
        check("test_first", Outcome.FAILED, "7 are lacking"),
        check("test_second", Outcome.FAILED, "callable gone\nand more"),
    ]
    text = render_terminal(report("- [ ] a\n", results), unchecked=True)
    said = text[text.index("    why:") : text.index("    needs:")]
    assert said == (
        "    why:   test_first failed: 7 are lacking (and 1 more)\n"
        "    also:  test_second failed: callable gone\n"
        "    also:  test_skipped was skipped: no Node\n"
    )
    many = [check(f"test_{n}", Outcome.FAILED, f"{n}") for n in range(9)]
    text = render_terminal(report("- [ ] a\n", many), unchecked=True)
    assert text.count("    also:  ") == 7
    assert "    also:  2 more checks (--verbose)\n" in text


def test_the_untouched_template_is_listed_whole_with_a_reason_and_a_need_for_each_item():
    document = corpus.template()
    made = build_report(
        document, decide(document, []), project="demo-x", started_at="", suite="", missing=[]
    )
    assert len(made.left) == 53
    text = render_terminal(made, unchecked=True, width=200)
    assert text.count("  why:   ") == text.count("  needs: ") == 53
    markdown = render_markdown(made, unchecked=True)
    assert markdown.count("  - why: ") == markdown.count("  - needs: ") == 53
    for item in document.items:
        assert item.text in text
    assert "no suite was started" in text


def test_a_run_without_ticking_says_nothing_of_boxes():
    made = report(ticked=False)
    assert [item.is_ticked for item in made.items] == [item.was_ticked for item in made.items]
    assert changes(made) == "2 ticks that nothing supports"
    assert "now ticked" not in render_terminal(made)


def test_headlines():
    assert headline(report("")) == "no items: the document holds no `- [ ]` line"
    assert headline(report("- [ ] a\n", [])) == "0 of 1 item verified, 1 not verified"
    passed = CheckResult("t", Outcome.PASSED, "a")
    assert headline(report("- [ ] a\n", [passed])) == "1 of 1 item verified"
    assert "Nothing is left." in render_terminal(report("- [ ] a\n", [passed]), unchecked=True)
    assert "Nothing is left." in render_markdown(report("- [ ] a\n", [passed]), unchecked=True)


def test_verbose_shows_each_check_with_its_outcome():
    text = render_terminal(report(), verbose=True)
    assert (
        "passed checks/test_rules.py::test_owner_reads: The owner reads their own profile" in text
    )
    assert "failed checks/test_coverage.py::test_threshold: 71 %" in text


def test_color_changes_nothing_but_color():
    made = report()
    colored = render_terminal(made, color=True)
    assert "\x1b[32m✓\x1b[0m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == render_terminal(made)


def test_checks_of_no_item_show_only_if_something_is_wrong():
    unmapped = [
        CheckResult("checks/test_x.py", Outcome.ERROR, None, "SyntaxError: invalid\nmore"),
        CheckResult("checks/test_y.py::test_a", Outcome.PASSED, None),
    ]
    for text in (
        render_terminal(report(unmapped=unmapped)),
        render_markdown(report(unmapped=unmapped)),
    ):
        assert "Mapped to no item" in text
        assert "SyntaxError: invalid" in text
        assert "1 more check is mapped to no item." in text
        assert "test_a" not in text


def test_sections_leave_the_documents_title_out_unless_it_has_items_of_its_own():
    assert [path for path, _ in by_section(report().items)] == [("Quality Check",), ("Testing",)]
    made = report("# A\n- [ ] x\n## B\n- [ ] y\n")
    assert [path for path, _ in by_section(made.items)] == [("A",), ("A", "B")]
    assert [path for path, _ in by_section(report("- [ ] x\n# A\n- [ ] y\n").items)] == [(), ("A",)]


def test_the_markdown_report_shows_each_item_once_with_its_reason():
    html = MarkdownIt("commonmark").enable("table").render(render_markdown(report()))
    assert "<h1>1 of 6 items verified, 1 failed, 4 not verified</h1>" in html
    assert "<h2>Quality Check</h2>" in html
    assert "❌ <strong>Test coverage</strong><br />" in html
    assert "✅ <strong>Verify security rules</strong> (now ticked)<br />" in html
    assert "<td>index entries 40, reads billed 2</td>" in html
    assert "<h3>Checks can verify (5)</h3>" in html


def test_a_markdown_report_is_no_workflow_document():
    text = render_markdown(plain_report("- [ ] x\n- [x] y"))
    assert parse_workflow(SourceText("report.md", text)).items == ()


HOSTILE = [
    "\x1b[31mred\x1b]0;title\x07", "a\rb", "a\nb", "\x9b31m", "a\u202eb", "\u2066x", "\ud800",
    "[click](javascript:alert(1))", "<script>alert(1)</script>", "![x](http://x/y.png)",
    "`a`` b`", "|a|b|", "**bold** _it_ ~~no~~ # h", "@someone hello", "&lt;b&gt;", "1. x", "- x",
    "---", "===", "2)", "```",
    "+ x", "$x$", "\\", "*", "", " ", "\u3000", "規則" * 60, "word" * 60, "x\u0301" * 90, "🔥" * 70,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_reaches_the_terminal_as_anything_but_text(text):
    for unchecked in (False, True):
        for width in (0, 40, 100):
            made = render_terminal(
                plain_report(text), unchecked=unchecked, width=width, verbose=True
            )
            for line in made.split("\n"):
                assert width_of(line) <= max(width, 40)
                assert all(char.isprintable() or char in "\u200d\u3000\u00ad" for char in line), (
                    ascii(line)
                )
            made.encode()


def test_nobody_is_mentioned_by_a_report():
    made = report("- [ ] ask @someone\n", [CheckResult("t", Outcome.FAILED, "ask-someone", "@me")])
    assert not re.search(r"@\w", render_markdown(made))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_reaches_markdown_as_markup(text):
    peer = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for unchecked in (False, True):
        made = render_markdown(plain_report(text), unchecked=unchecked)
        made.encode()
        kinds = {
            child.type for token in peer.parse(made) for child in [token, *(token.children or [])]
        }
        assert not kinds & {
            "link_open",
            "image",
            "html_block",
            "s_open",
            "em_open",
            "fence",
            "hr",
            "ordered_list_open",
        } - ({"em_open"} if not text.split() else set())
        for token in peer.parse(made):
            for child in token.children or []:
                assert child.type != "html_inline" or child.content == "<!-- -->"


@given(st.text())
def test_one_line_is_one_printable_line(text):
    line = one_line(text)
    assert "\n" not in line
    assert "\x1b" not in line
    line.encode()
    assert one_line(line) == line


def test_a_report_survives_json_and_fits_its_schema():
    made = report(unmapped=[CheckResult("t", Outcome.ERROR, None, "why", duration_s=1.5)])
    text = report_to_json(made)
    assert report_from_json(SourceText("report.json", text)) == made
    jsonschema.validate(json.loads(text), SCHEMA)
    assert json.loads(text)["counts"]["verified"] == 1


def test_the_schema_names_the_values_that_there_are():
    check = SCHEMA["$defs"]["check"]["properties"]["outcome"]["enum"]
    assert check == [outcome.value for outcome in Outcome]
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def broken(**changes) -> str:
    value = json.loads(report_to_json(report()))
    return json.dumps({**value, **changes})


ITEM = json.loads(report_to_json(report()))["items"][0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[]", "the report is not an object"),
        ("[" * 100_000, "not a report"),
        (broken(format="other/1"), "format is 'other/1'"),
        (broken(project=1), "the report.project is not a string"),
        (broken(missing=[1]), "missing is not an array of strings"),
        (broken(items={}), "items is not an array"),
        (broken(items=[{**ITEM, "depth": True}]), r"items\[0\].depth is not a whole number"),
        (broken(items=[{**ITEM, "is_ticked": 1}]), r"items\[0\].is_ticked is not true or false"),
        (broken(items=[{**ITEM, "verdict": "YES"}]), "'YES' is not a valid VerdictKind"),
        (broken(items=[{}]), r"items\[0\].would_verify is not an object"),
        (broken(unmapped=[{"nodeid": "a", "outcome": "x"}]), "not an outcome"),
    ],
)
def test_what_is_no_report_is_refused(text, words):
    with pytest.raises(WorkflowError, match=words) as caught:
        report_from_json(SourceText("report.json", text))
    assert "harness verify" in caught.value.fix
