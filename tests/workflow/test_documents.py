"""Which items an address names in several documents."""

import pytest

from harness.errors import WorkflowError
from harness.source import SourceText
from harness.workflow.document import parse_workflow
from harness.workflow.documents import WorkflowDocuments

SHARING = "# Sharing\n## Testing\n- [ ] Verify rules\n- [ ] Only here\n"
CHAT = "# Chat\n## Testing\n- [ ] Verify rules\n## Release\n- [ ] Verify rules\n- [ ] Ship it\n"


def documents(*names: str) -> WorkflowDocuments:
    texts = {"sharing.md": SHARING, "chat.md": CHAT}
    return WorkflowDocuments(
        parse_workflow(SourceText(f"workflow/{name}", texts[name])) for name in names
    )


BOTH = documents("sharing.md", "chat.md")


@pytest.mark.parametrize(
    ("address", "references"),
    [
        (
            "Testing/Verify rules",
            ["workflow/sharing.md#testing/verify-rules", "workflow/chat.md#testing/verify-rules"],
        ),
        ("Only here", ["workflow/sharing.md#testing/only-here"]),
        ("chat.md#Testing/Verify rules", ["workflow/chat.md#testing/verify-rules"]),
        ("workflow/chat.md#release/ship-it", ["workflow/chat.md#release/ship-it"]),
    ],
)
def test_an_address_names_the_item_in_each_document_that_has_it(
    address: str, references: list[str]
) -> None:
    found = BOTH.find(address)
    assert [BOTH.reference(each) for each in found] == references
    for reference, each in zip(references, found, strict=True):
        assert BOTH.split(reference) == (each.name, each.item.item_id)
        assert BOTH.find_one(reference) == each  # a reference is an address


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("Verify rules", "fits 2 items of workflow/chat.md"),  # two headings: not guessed
        ("Only heer", '"Testing/Only here"'),
        ("nowhere.md#Only here", '"nowhere.md" of "nowhere.md#Only here" is no workflow document'),
        ("chat.md#Only here", "no item of workflow/chat.md matches"),
    ],
)
def test_what_fits_nothing_or_too_much_is_an_error(address: str, said: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        BOTH.find(address)
    assert said in str(caught.value)


def test_one_item_is_asked_for_and_two_documents_have_it() -> None:
    with pytest.raises(WorkflowError, match="is an item of 2 workflow documents") as caught:
        BOTH.find_one("Testing/Verify rules")
    assert '"workflow/chat.md#testing/verify-rules"' in str(caught.value)


def test_with_one_document_references_are_ids() -> None:
    one = documents("chat.md")
    (found,) = one.find("Ship it")
    assert one.reference(found) == "release/ship-it"
    assert one.split("release/ship-it") == ("workflow/chat.md", "release/ship-it")
