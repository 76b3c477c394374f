import hashlib

import pytest

from harness.errors import WorkflowError
from tests.workflow import corpus
from tests.workflow.corpus import parse

TEMPLATE_SHA256 = "3017bac7b147dba9754b9d85e293302a63bde4ca4e0d4f453bd8f25ea1fb536b"


@pytest.mark.parametrize("name", corpus.documents())
def test_items_are_as_the_corpus_says(name):
    document, expected = corpus.load(name)
    found = []
    for item, wanted in zip(document.items, expected["items"], strict=False):
        whole = {
            "id": item.item_id,
            "line": item.line,
            "ticked": item.is_ticked,
            "text": item.text,
            "headings": list(item.heading_path),
            "depth": item.depth,
            "parent": item.parent_id,
            "placeholder": item.is_placeholder,
        }
        found.append({key: whole[key] for key in wanted})
    assert found == expected["items"]
    assert len(document.items) == len(expected["items"])


@pytest.mark.parametrize("name", corpus.documents())
def test_sections_are_as_the_corpus_says(name):
    document, expected = corpus.load(name)
    sections = [list(section.heading_path) for section in document.sections]
    if "sections" in expected:
        assert sections == expected["sections"]
    assert [item for section in document.sections for item in section.items] == list(document.items)


@pytest.mark.parametrize("name", corpus.documents())
def test_addresses_resolve_as_the_corpus_says(name):
    document, expected = corpus.load(name)
    for item in document.items:
        assert document.find(item.item_id) is item
    for address, item_id in expected.get("addresses", {}).items():
        if item_id is None:
            with pytest.raises(WorkflowError):
                document.find(address)
        else:
            assert document.find(address).item_id == item_id, address


@pytest.mark.parametrize("case", corpus.exact_cases(), ids=lambda case: case["name"])
def test_boxes_are_where_they_are_to_the_byte(case):
    document = parse(case["text"])
    assert [
        [item.box_span.start, case["text"][item.box_span.start]] for item in document.items
    ] == case["boxes"]
    if "lines" in case:
        assert [item.line for item in document.items] == case["lines"]
    assert document.text == case["text"]


def test_the_shipped_template_is_the_users_to_the_byte():
    content = corpus.TEMPLATE.read_bytes()
    assert len(content) == 2732
    assert hashlib.sha256(content).hexdigest() == TEMPLATE_SHA256


def test_the_template_has_53_open_items_of_which_the_last_two_are_empty():
    items = corpus.template().items
    assert len(items) == 53
    assert not any(item.is_ticked for item in items)
    assert [item.is_empty for item in items[-3:]] == [False, True, True]
    assert [item.text for item in items if item.is_placeholder] == [
        "[Component Feature Name]",
        "[Backend Task 1]",
        "[Backend Task 2]",
        "",
        "",
    ]


FEATURE = "component-features/component-feature-name"
ROOT = "Backend Workflow Template/Progress Checklist"


@pytest.mark.parametrize(
    ("address", "item_id"),
    [
        ("Testing/Verify security rules", "testing/verify-security-rules"),
        ("Verification Phase/Quality Check/Test coverage", "quality-check/test-coverage"),
        ("Progress Checklist/Testing/Test Cloud Functions", "testing/test-cloud-functions"),
        (f"{ROOT}/Completion/User sign-off", "completion/user-sign-off"),
        ("PAUSE, Check in with user", "architecture/pause-check-in-with-user"),
        ("Component Features/[Backend Task 1]", f"{FEATURE}/backend-task-1"),
        ("[Component Feature Name]/[Backend Task 2]", f"{FEATURE}/backend-task-2"),
    ],
)
def test_the_templates_items_are_found_by_any_tail_of_their_path(address, item_id):
    assert corpus.template().find(address).item_id == item_id


def test_a_wrong_name_is_answered_with_the_nearest_ones():
    with pytest.raises(WorkflowError) as caught:
        corpus.template().find("Testing/Verify securty rule")
    assert 'no item of template.md matches "Testing/Verify securty rule"' in str(caught.value)
    assert 'did you mean "Testing/Verify security rules"' in caught.value.fix


def test_a_right_name_under_a_wrong_heading_is_answered_with_the_right_one():
    with pytest.raises(WorkflowError, match="Quality Check/Test coverage"):
        corpus.template().find("Testing/Test coverage")


def test_a_name_like_nothing_is_answered_with_an_example():
    with pytest.raises(WorkflowError, match="name an item by heading and text"):
        corpus.template().find("zzzzzz")
    with pytest.raises(WorkflowError, match="has no checklist item yet"):
        parse("# Nothing\n").find("x")


def test_an_ambiguous_name_is_answered_with_an_id_for_each():
    document = parse("# A\n- [ ] same\n# B\n- [ ] same\n")
    with pytest.raises(WorkflowError) as caught:
        document.find("same")
    assert "fits 2 items" in caught.value.problem
    for item in document.items:
        assert item.item_id in caught.value.fix
        assert document.find(item.item_id) is item


def test_part_of_a_word_is_no_address():
    with pytest.raises(WorkflowError):
        parse("# A\n- [ ] unsafe rules\n").find("safe rules")


def test_select_gives_an_item_or_all_under_a_heading():
    document = corpus.template()
    assert [item.text for item in document.select("Testing/Verify security rules")] == [
        "Verify security rules"
    ]
    assert len(document.select("Testing")) == 6
    assert len(document.select("verification phase")) == 8
    assert len(document.select("Progress Checklist")) == len(document.items) - 8
    with pytest.raises(WorkflowError, match="did you mean"):
        document.select("Testin/Verify securty rules")


def test_select_refuses_a_heading_that_is_there_twice():
    document = parse("# P\n## A\n### T\n- [ ] x\n## B\n### T\n- [ ] y\n")
    with pytest.raises(WorkflowError, match="fits 2 headings"):
        document.select("T")
    assert [item.text for item in document.select("B/T")] == ["y"]


def test_ids_survive_edits_elsewhere():
    before = "# W\n## Testing\n- [ ] a\n- [ ] b\n"
    after = "# Another title\n## New\n- [ ] c\n## Testing\n- [ ] zero\n- [x] a\n- [ ] b\n"
    ids = {item.text: item.item_id for item in parse(before).items}
    assert ids.items() <= {item.text: item.item_id for item in parse(after).items}.items()


def test_an_item_deeper_than_the_limit_is_text():
    lines = ["  " * depth + f"- [ ] level {depth}" for depth in range(120)]
    document = parse("\n".join(lines))
    assert len(document.items) == 100
    assert document.items[-1].depth == 99


def test_quotes_deeper_than_the_limit_are_text():
    assert len(parse(">" * 99 + " - [ ] a\n").items) == 1
    assert len(parse(">" * 101 + " - [ ] a\n").items) == 0


def test_a_long_text_gives_a_shorter_id_cut_between_words():
    document = parse(f"- [ ] {'word ' * 30}\n- [ ] {'x' * 200}\n")
    assert [len(item.item_id) for item in document.items] == [79, 80]
    assert document.items[0].item_id.endswith("-word")
    for item in document.items:
        assert document.find(item.text) is item
