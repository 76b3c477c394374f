"""Phase files: every line of a feature ends as taken, left out or asked, and none is lost."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from harness.errors import WorkflowError
from harness.project import load_template
from harness.source import SourceText
from harness.workflow.backend_tasks import Fate, select_backend_tasks
from harness.workflow.begin import COMPONENTS, begin_document
from harness.workflow.blocks import Box, scan_blocks
from harness.workflow.document import parse_workflow
from harness.workflow.feature import differences, missing_tasks, selection_for, stated_feature
from harness.workflow.phase import parse_phase
from tests.workflow.markdown_strategies import any_texts

CORPUS = Path(__file__).parent.parent / "corpus" / "phases"
SHAPES = yaml.safe_load((CORPUS / "shapes.yaml").read_text(encoding="utf-8"))["cases"]
NAMES = yaml.safe_load((CORPUS / "names.yaml").read_text(encoding="utf-8"))
TEMPLATE = load_template()


def phase_of(text):
    return parse_phase(SourceText("phase.md", text))


def begun(text, feature, take=()):
    phase = phase_of(text)
    selection = select_backend_tasks(phase, phase.feature(feature), take)
    made = begin_document(
        TEMPLATE, phase, selection, phase_path="phases/p.md", document_path="workflow/w.md"
    )
    return selection, made


def components(text):
    part = text.partition(f"## {COMPONENTS}\n")[2].partition("\n\n## ")[0]
    return part.rstrip("\n") + "\n"


@pytest.mark.parametrize("case", SHAPES, ids=lambda case: case["name"])
def test_lines_end_as_the_corpus_says(case):
    selection, made = begun(case["phase"], case["feature"], case.get("take", ()))
    lines = {fate: [decision.task.line for decision in selection.of(fate)] for fate in Fate}
    assert lines == {
        Fate.TAKEN: case["taken"],
        Fate.LEFT_OUT: case.get("left_out", []),
        Fate.ASKED: case.get("asked", []),
    }
    assert components(made.text) == case["components"]
    assert all(decision.reason for decision in selection.decisions)


@pytest.mark.parametrize("case", NAMES["cases"], ids=lambda case: case["name"])
def test_a_feature_goes_by_the_names_that_people_have_for_it(case):
    phase = phase_of(NAMES["phase"])
    if "line" in case:
        assert phase.feature(case["name"]).line == case["line"]
        return
    with pytest.raises(WorkflowError) as refused:
        phase.feature(case["name"])
    assert case["refused"] in refused.value.problem
    assert case["fix"] in refused.value.fix


_WORDS = (
    st.text("abcdefgh *_`#>-|", min_size=1, max_size=12)
    .map(str.strip)
    .filter(lambda text: re.search("[a-h]", text))
)
_LINES = st.builds(
    "{}{}{}{}word{}".format,
    st.sampled_from(["", "  ", "   ", "    ", "\t", "      ", "> "]),
    st.sampled_from(["- ", "* ", "1. ", "12) ", "+ "]),
    st.sampled_from(["", "[ ] ", "[x] ", "✅ ", "⬜ ", "[ ] ✅ "]),
    st.sampled_from(
        ["", "[Backend] ", "[Frontend] ", "**Backend:** ", "[P0] ", "[UI/API] ", "(a) "]
    ),
    _WORDS,
)
_OTHERS = st.sampled_from(
    [
        "", "", "plain text", "**Backend tasks:**", "**Frontend**", "### Backend", "#### Entry",
        "### Notes", "| Task | Side |", "| --- | --- |", "| row | Backend |", "---", "> quoted",
        "    indented", "<details>", "</details>", "```", "**Name:** x",
    ]
)  # fmt: skip


@given(st.lists(st.one_of(_LINES, _OTHERS), max_size=25))
@example(["- - [ ] a", "```", "- [ ] b"])
def test_no_task_line_of_the_section_is_lost(lines):
    text = "## Feature\n" + "\n".join(lines) + "\n\n## Next\n- [ ] of the next\n"
    selection, made = begun(text, "line 1")
    decided = [decision.task.line for decision in selection.decisions]
    assert len(set(decided)) == len(decided)
    # What a reader of Markdown takes for a box, and what anyone takes for a list item.
    end = len(lines) + 2
    boxes = {block.line for block in scan_blocks(text) if isinstance(block, Box)}
    assert {line for line in boxes if line < end} <= set(decided)
    if "```" not in lines:
        items = {
            number
            for number, line in enumerate(lines, start=2)
            if re.match(r"[> \t]*([-*+]|\d+[.)]) ", line)
        }
        assert items <= set(decided)
        assert max(decided, default=0) < end
    document = parse_workflow(SourceText("w.md", made.text))
    items = [item for item in document.items if COMPONENTS in item.heading_path]
    assert not any(item.is_ticked for item in document.items)
    if selection.components:
        boxed = [
            " ".join(task.text.split())
            for component in selection.components
            for task in component.walk()
            if not task.is_detail
        ]
        assert [item.text for item in items] == boxed
    taken = {decision.task.line for decision in selection.of(Fate.TAKEN)}
    in_document = {task.line for found in selection.components for task in found.walk()}
    assert taken == in_document - {section.line for section in selection.section.walk()}


@given(any_texts)
def test_every_box_of_any_text_is_a_task_of_its_phase_file(text):
    whole = phase_of(text).whole
    found = {task.line for task in whole.all_tasks()}
    normal = text.replace("\r\n", "\n").replace("\r", "\n")
    assert {block.line for block in scan_blocks(normal) if isinstance(block, Box)} <= found


@pytest.mark.parametrize("case", SHAPES, ids=lambda case: case["name"])
def test_what_is_begun_is_what_the_phase_file_says(case):
    """The reviews of the document against the phase file find nothing to add."""
    phase = phase_of(case["phase"])
    selection, made = begun(case["phase"], case["feature"], case.get("take", ()))
    feature = stated_feature(parse_workflow(SourceText("w.md", made.text)))
    assert feature.phase_link is not None
    assert feature.phase_link.target == "../phases/p.md"
    assert missing_tasks(feature, selection_for(feature, phase)) == ()
    unfilled = [what for _, what in differences(feature, phase)]
    assert unfilled == (["Description is not filled in"] if made.unfilled else [])
    # And a task that is taken out is missed.
    first = next(
        task
        for component in selection.components
        for task in component.walk()
        if not task.is_detail and task.line != selection.section.line
    )
    less = made.text.replace(f"- [ ] {first.text}\n", "- [ ] another\n")
    feature = stated_feature(parse_workflow(SourceText("w.md", less)))
    if first.line not in case.get("take", ()):
        assert first.line in [line for line, _ in missing_tasks(feature, selection)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_make_no_difference(end):
    for case in SHAPES:
        text = "\ufeff" + case["phase"].replace("\n", end)
        selection, made = begun(text, case["feature"], case.get("take", ()))
        assert [found.task.line for found in selection.of(Fate.TAKEN)] == case["taken"]
        assert components(made.text) == case["components"]


def test_all_but_the_placeholders_of_the_template_stays():
    case = SHAPES[0]
    _, made = begun(case["phase"], case["feature"])
    filled = made.text.splitlines()
    for line in TEMPLATE.text.splitlines():
        if not re.search(r"\[(Phase|Feature|Component|Backend Task)", line):
            assert line in filled
    assert (
        "**Project Phase:** Phase 3: Chat ([phase file](../phases/p.md)) Backend-Focused" in filled
    )
    assert "**Name:** Messages  " in filled
    assert "**Description:** People write to each other." in filled
    assert made.unfilled == ()


def test_what_the_phase_file_does_not_say_stays_a_placeholder_and_is_named():
    _, made = begun("## Chat\n- [ ] [Backend] a\n", "chat")
    assert made.unfilled == ("[Feature Description]",)
    assert "[Feature Description]" in made.text


def test_links_lead_from_the_new_document():
    links = "See [model](../docs/model.md#chat), [web](https://a.b/c), [here](#x)."
    text = f"## Chat\n{links}\n- [ ] [API](api.md)\n"
    _, made = begun(text, "chat", take={3})
    assert links in made.text
    assert "- [ ] [API](../phases/api.md)" in made.text
