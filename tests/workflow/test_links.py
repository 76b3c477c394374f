"""Links of a Markdown text, where they lead, and the anchors that they can lead to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workflow.links import LinkKind, anchors_in, links_in


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("[a](b.md) and [c](<d e.md>)", ["b.md", "d e.md"]),
        ('[a](b.md "title") ![picture](p.png)', ["b.md", "p.png"]),
        ("[a [b] c](d_(e).md)", ["d_(e).md"]),
        ("[a][r]\n\n[r]: target.md\n", ["target.md"]),
        ("`[a](b.md)` ``[`](c.md)`` [d](e.md)", ["e.md"]),
        ("` [a](b.md)", ["b.md"]),
        ("```\n[a](b.md)\n```\n[c](d.md)", ["d.md"]),
        ("~~~ js\n```\n[a](b.md)\n~~~\n[c](d.md)", ["d.md"]),
        ("<!-- [a](b.md)\n[c](d.md) --> [e](f.md)", ["f.md"]),
        ("- [ ] (no link) [x] (either)", []),
        ("[a]()", [""]),
        ("[^1]: a note", []),
    ],
)
def test_links_are_found_where_they_are_none_of_code(text, targets):
    assert [link.target for link in links_in(text)] == targets


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("../a.md", LinkKind.FILE),
        ("/a.md", LinkKind.FILE),
        ("#here", LinkKind.ANCHOR),
        ("https://example.org/a?b=c#d", LinkKind.WEB),
        ("http://localhost:4000", LinkKind.WEB),
        ("https://", LinkKind.MALFORMED),
        ("https:/example.org", LinkKind.MALFORMED),
        ("http://-a.org", LinkKind.MALFORMED),
        ("https://example.org:port/", LinkKind.MALFORMED),
        ("mailto:a@example.org", LinkKind.OTHER),
        ("", LinkKind.MALFORMED),
    ],
)
def test_a_link_leads_to_a_file_a_heading_or_the_web(target, kind):
    (link,) = links_in(f"[a]({target})")
    assert link.kind is kind


def test_a_target_is_a_path_and_an_anchor():
    (link,) = links_in("one\n\n[a](<My%20Docs/%C3%A4.md?plain=1#Part-1>)")
    assert (link.path, link.anchor, link.line) == ("My Docs/ä.md", "Part-1", 3)


def test_anchors_are_as_github_makes_them():
    text = "# What's *new*? (v2)\n## Über `code`\n## Same\n## Same\n<a name='own'></a>\n"
    text += "## [Link](x.md) & more\n```\n# no heading\n```\n"
    assert anchors_in(text) == {
        "whats-new-v2", "über-code", "same", "same-1", "own", "link--more"
    }  # fmt: skip


@given(st.text("[]()`<>!-#ab \n/:", max_size=80))
def test_any_text_has_links_in_its_order_and_on_its_lines(text):
    found = links_in(text)
    lines = [link.line for link in found]
    assert lines == sorted(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)
    assert all(link.kind for link in found)
