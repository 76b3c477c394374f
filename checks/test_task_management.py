"""Task Management: the document is about the feature of its phase file, and about all of it."""

import pytest


@pytest.mark.workflow("Task Management/Identify current backend tasks from the relevant phase file")
def test_the_phase_file_has_the_tasks(readiness, settle):
    """The document links to its phase file, whose section on this feature has backend tasks."""
    settle(readiness.tasks_identified)


@pytest.mark.workflow('Task Management/Copy task details to "Primary Feature" section')
def test_the_feature_is_described_as_in_the_phase_file(readiness, settle):
    """Name and description of the feature are those of the phase file."""
    settle(readiness.details_copied)


@pytest.mark.workflow('Task Management/Break down into "Component Features" if needed')
def test_every_task_is_in_a_component_feature(readiness, settle):
    """Each backend task of the phase file is in a component feature; nothing is left to fill in."""
    settle(readiness.broken_down)
