"""Understanding Phase / Documentation Review: the guidelines are there to be read.

That someone has read them, no check can tell."""

import pytest

pytestmark = pytest.mark.workflow(
    "documentation-review/tech-stack-guidelines-tech-stack-tech-stack-rules"
)


def test_the_tech_stack_is_documented(readiness, settle):
    """The tech stack documents are there and name each Firebase service that is in use."""
    settle(readiness.tech_stack)


def test_links_of_the_document_resolve(readiness, settle):
    """Every link of the workflow document leads to a file, and to a heading where it names one."""
    settle(readiness.links)
