"""Verification Phase / Quality Check / Security rules testing."""

import pytest

import harness

pytestmark = pytest.mark.workflow("Quality Check/Security rules testing")


def test_access_is_as_the_table_says(access_matrix):
    """Each persona may do what the access matrix allows it, and nothing else."""
    access_matrix.check()


def test_access_is_the_same_over_the_wire(access_over_the_wire):
    """Clients of the emulators get the answers that the access matrix has in process."""
    access_over_the_wire(size=240)


def test_the_table_has_both_answers(access_matrix):
    """The matrix would notice rules that allow everything, and rules that deny everything."""
    assert access_matrix.blind_spots() == ()


@pytest.mark.parametrize("name", ["firestore.rules", "storage.rules"])
def test_the_rules_load_without_a_complaint(name, harness_project):
    """The rules load without errors and warnings."""
    loaded = harness.load_ruleset(harness.read_text_file(harness_project / "backend" / name))
    assert [str(issue) for issue in loaded.issues] == []
