"""The HTML report: whole, escaped, and without anything to fetch or run."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reports.html import render_html
from harness.workflow.evidence import CheckResult, Outcome, ResultTable
from tests.reports.test_reports import plain_report, report

_VOID = {"meta", "br"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; refuses what is not closed as it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.words += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def test_it_says_what_the_other_formats_say() -> None:
    page = Page(render_html([report()]))
    assert "1 of 6 items verified, 1 failed" in page.words
    assert "71 % of rules expressions, 80 % asked for" in page.words
    assert "reads billed 2" in page.words
    assert "ticked by hand" in page.words
    assert "The owner reads their own profile" in page.words


def test_what_is_unchecked_has_why_what_would_verify_it_and_the_command() -> None:
    made = report()
    page = Page(render_html([made], unchecked=True))
    for item in made.left:
        assert item.why in page.words
        assert item.would_verify.sentence in page.words
        assert item.command in page.words
    assert "The owner reads their own profile" not in page.words
    assert "Nothing is left." in render_html([report("- [ ] a\n", [PASSED])], unchecked=True)


PASSED = CheckResult("checks/test_a.py::test", Outcome.PASSED, "a", states="It holds")


def test_it_needs_nothing_else_and_runs_nothing() -> None:
    page = Page(render_html([report()]))
    assert page.count("script") == page.count("link") == page.count("img") == 0
    for _, attributes in page.elements:
        assert not any(name.startswith("on") or name == "src" for name in attributes)
    policy = [a["content"] for _, a in page.elements if "http-equiv" in a]
    assert policy[0] is not None
    assert "default-src 'none'" in policy[0]


def test_screen_readers_find_their_way() -> None:
    page = Page(render_html([report(), plain_report("- [ ] x\n")]))
    attributes = dict(page.elements)
    assert attributes["html"]["lang"] == "en"
    assert page.count("title") == page.count("main") == 1
    assert page.count("h1") == 2
    assert page.count("nav") == 1
    states = [a for _, a in page.elements if a.get("class") == "state"]
    assert len(states) == 7  # each item says in words what its colour says
    hidden = [a for _, a in page.elements if a.get("class") == "mark"]
    assert all(a["aria-hidden"] == "true" for a in hidden)
    headers = [a for tag, a in page.elements if tag == "th"]
    assert headers
    assert all(a["scope"] in ("col", "row") for a in headers)
    targets = {a["id"] for _, a in page.elements if "id" in a}
    links = [a["href"] or "" for tag, a in page.elements if tag == "a"]
    assert {link.removeprefix("#") for link in links} == targets


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> &amp; {title} \x1b[2J \u202e"


@pytest.mark.parametrize("unchecked", [False, True])
def test_texts_are_escaped(unchecked: bool) -> None:
    table = ResultTable(HOSTILE, (HOSTILE, "b"), ((HOSTILE, HOSTILE),), (0,), (HOSTILE,))
    check = CheckResult(
        HOSTILE, Outcome.FAILED, "a", HOSTILE, HOSTILE, tables=(table,), metrics={HOSTILE: 1}
    )
    made = report(f"# {HOSTILE}\n- [ ] a\n- [x] {HOSTILE}\n", [check, PASSED])
    page = Page(render_html([made], unchecked=unchecked))
    assert page.count("script") == page.count("img") == 0
    assert "<script>alert(1)</script>" in page.words
    assert not any("onerror" in attributes for _, attributes in page.elements)


@given(st.text(max_size=60))
def test_any_document_gives_a_page(text: str) -> None:
    Page(render_html([plain_report(text)]))
    Page(render_html([plain_report(f"- [x] {text}")], unchecked=True))
