"""Laws of reading and ticking, over texts that nobody would write and some that somebody might."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.workflow.blocks import Box, Heading, scan_blocks
from harness.workflow.edit import set_ticks, tick_edits
from tests.workflow.corpus import parse
from tests.workflow.markdown_strategies import any_texts, lines


@given(any_texts)
def test_every_text_parses_and_keeps_all_its_characters(text):
    document = parse(text)
    assert document.text == text
    assert set_ticks(document, {}) == text
    for item in document.items:
        start = item.box_span.start
        assert text[start - 1 : start + 2] in ("[ ]", "[x]", "[X]")
        assert item.is_ticked == (text[start] != " ")
        assert text.count("\n", 0, start) + 1 == item.line
    spans = [item.box_span.start for item in document.items]
    assert spans == sorted(set(spans))


@given(any_texts)
def test_sections_cover_the_text_and_the_items(text):
    document = parse(text)
    assert [item for section in document.sections for item in section.items] == list(document.items)
    for section in document.sections:
        assert section.heading_path[-1:] == ((section.title,) if section.level else ())
        for item in section.items:
            assert item.heading_path == section.heading_path
            assert section.span.start <= item.box_span.start < section.span.end
    ends = [section.span.end for section in document.sections if section.level]
    starts = [section.span.start for section in document.sections if section.level]
    assert starts[1:] == ends[:-1]
    assert not ends or ends[-1] == len(text)


@given(any_texts)
def test_ids_are_unique_and_found_and_parents_come_first(text):
    document = parse(text)
    ids = [item.item_id for item in document.items]
    assert len(set(ids)) == len(ids)
    for index, item in enumerate(document.items):
        assert document.find(item.item_id) is item
        if item.parent_id is not None:
            parent = document.item(item.parent_id)
            assert parent.item_id in ids[:index]
            assert item.ancestors == (*parent.ancestors, parent.text)
        assert item.depth == len(item.ancestors)


@given(any_texts.map(lambda text: f"{text}\n\n# h\n\n- [ ] last"), st.data())
def test_a_tick_flips_that_item_alone_and_changes_one_byte(text, data):
    document = parse(text)
    assume(document.items)
    item = data.draw(st.sampled_from(document.items))
    after = set_ticks(document, {item.item_id: not item.is_ticked})
    flipped = parse(after)
    assert [(i.item_id, i.text, i.box_span) for i in flipped.items] == [
        (i.item_id, i.text, i.box_span) for i in document.items
    ]
    for old, new in zip(document.items, flipped.items, strict=True):
        assert (old.is_ticked != new.is_ticked) == (old is item)
    old_bytes, new_bytes = (t.encode("utf-8", "surrogatepass") for t in (text, after))
    assert len(old_bytes) == len(new_bytes)
    assert sum(a != b for a, b in zip(old_bytes, new_bytes, strict=True)) == 1


@given(any_texts, st.randoms())
def test_ticking_twice_equals_once(text, random):
    document = parse(text)
    wanted = {item.item_id: random.random() < 0.5 for item in document.items}
    once = set_ticks(document, wanted)
    assert {item.item_id: item.is_ticked for item in parse(once).items} == wanted
    assert tick_edits(parse(once), wanted) == ()
    assert set_ticks(parse(once), wanted) == once


@given(any_texts)
def test_line_ends_make_no_difference_to_what_is_found(text):
    assume("\r" not in text)
    unix, windows = parse(text).items, parse(text.replace("\n", "\r\n")).items
    assert [(i.item_id, i.line, i.is_ticked) for i in unix] == [
        (i.item_id, i.line, i.is_ticked) for i in windows
    ]


@given(lines)
def test_boxes_and_headings_are_those_that_a_peer_finds(lines):
    """markdown-it-py is the peer. Four differences are known, and left out here:

    an item that is underlined is a heading to it (GitHub shows the box); a `[ ]` on the line after
    its bullet is a box to it; a box without text is none to it; and it lets a quote mark indented
    by a tab continue a quote."""
    text = "\n".join(lines)
    assume(not re.search(r"\t[ \t]*>", text))
    assume(not re.search(r"(?m)^[ \t>]*(?:[-+*]|\d+[.)])[ \t]*$", text))
    assume(not re.search(r"(?m)\[[ xX]\][ \t]*$", text))
    found = [
        (block.line, "box", block.mark != " ")
        if isinstance(block, Box)
        else (block.line, "heading", block.level)
        for block in scan_blocks(text)
    ]
    assert found == _peer_blocks(text)


def _peer_blocks(text: str) -> list[tuple[int, str, int]]:
    from markdown_it import MarkdownIt

    tasklists = pytest.importorskip("mdit_py_plugins.tasklists")
    tokens = MarkdownIt("commonmark").use(tasklists.tasklists_plugin).parse(text)
    found: list[tuple[int, str, int]] = []
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            assume(not (token.markup in "-=" and token.level > 0))
            if token.level == 0:
                found.append((token.map[0] + 1, "heading", int(token.tag[1])))
        elif token.type == "list_item_open" and "task-list-item" in (token.attrGet("class") or ""):
            box = tokens[index + 2].children[0].content
            found.append((token.map[0] + 1, "box", 'checked="checked"' in box))
    return found


def test_headings_know_their_lines():
    assert scan_blocks("a\nb\n===\n# c #\n") == [
        Heading(1, "a b", 0, 1),
        Heading(1, "c", 8, 4),
    ]


@given(any_texts.map("- [ ] one at least\n{}".format), st.data())
def test_any_sequence_of_ticks_changes_only_those_boxes(text, data):
    """Each step reads anew what the one before has written, as commands do."""
    first = parse(text)
    ids = [item.item_id for item in first.items]
    steps = data.draw(
        st.lists(st.dictionaries(st.sampled_from(ids), st.booleans(), max_size=4), max_size=5)
    )
    after = text
    for wanted in steps:
        after = set_ticks(parse(after), wanted)
    told = {item_id: is_ticked for wanted in steps for item_id, is_ticked in wanted.items()}
    boxes = {item.box_span.start: item for item in first.items}
    assert len(after) == len(text)
    for offset, (old, new) in enumerate(zip(text, after, strict=True)):
        assert old == new or (boxes[offset].item_id in told and new in " x")
    for item in parse(after).items:
        assert item.is_ticked == told.get(item.item_id, first.item(item.item_id).is_ticked)
