"""Verification Phase / Quality Check / Security rules testing."""

import pytest
from access import AccessRow, read_rows
from conftest import PERSONAS, seed_household

pytestmark = pytest.mark.workflow("Quality Check/Security rules testing")

ROWS = read_rows()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_access_is_as_the_table_says(row: AccessRow, firestore_admin, ask, household, record_proof):
    """Each persona may do what the access table allows it, and nothing else."""
    surprises = []
    for persona, identity in PERSONAS.items():
        uid = identity[0] if identity else "nobody"
        allowed = row.is_allowed(ask(persona), uid)
        if allowed != (persona in row.allow):
            surprises.append(f"{persona} was {'allowed' if allowed else 'denied'}")
        if allowed and row.changes_data:
            seed_household(firestore_admin)
            if row.method == "create":
                firestore_admin.document(row.path.replace("$uid", uid)).delete()
    assert not surprises, f"{row.method} {row.path or row.group}: {', '.join(surprises)}"
    record_proof(f"{len(PERSONAS)} decisions agreed with the access table")


def test_the_table_has_both_answers():
    """The table would notice rules that allow everything, and rules that deny everything."""
    for method in ("get", "list", "create", "update", "delete"):
        rows = [row for row in ROWS if row.method == method]
        assert any(row.allow for row in rows), f"no {method} is allowed to anyone"
        assert any(not row.allow for row in rows), f"no {method} is denied to everyone"


def test_the_rules_load_without_a_complaint(harness_project):
    """The rules load without errors and warnings."""
    import harness

    loaded = harness.load_ruleset(
        harness.read_text_file(harness_project / "backend/firestore.rules")
    )
    assert [str(issue) for issue in loaded.issues] == []
