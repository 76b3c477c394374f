"""For each item of the template, who or what can verify it, in one sentence.

A table and its lookup. An item that the table does not know, as teams write their own, gets a
sentence made from its title. Must not live here: whether it was verified (`verdict.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.workflow.address import slug
from harness.workflow.document import ChecklistItem


class Verifier(StrEnum):
    """Who can tell that an item holds."""

    CHECKS = "CHECKS"
    """Python checks mapped to it."""
    PERSON = "PERSON"
    """Only a person: a decision, an agreement, or understanding."""
    NOBODY = "NOBODY"
    """Nothing yet: it does not say what should hold."""


@dataclass(frozen=True, slots=True)
class WayToVerify:
    """Who can verify an item, and the sentence that says how."""

    by: Verifier
    sentence: str


def what_would_verify(item: ChecklistItem) -> WayToVerify:
    """Return who or what can verify an item. Never empty: every item of every document gets a
    sentence."""
    if item.is_empty:
        return WayToVerify(
            Verifier.NOBODY,
            "text: fill it in, or delete the line",
        )
    if item.is_placeholder:
        return WayToVerify(
            Verifier.NOBODY, "a name for what should hold, in place of the placeholder"
        )
    known = None
    if not item.ancestors:
        heading = slug(item.heading_path[-1]) if item.heading_path else ""
        known = _BY_SLUG.get(f"{heading}/{slug(item.text)}")
    if known is not None:
        return known
    name = item.item_id if '"' in item.title or "\\" in item.title else item.title
    return WayToVerify(
        Verifier.CHECKS,
        f'a check marked @pytest.mark.workflow("{name}"), or a sign-off by a person',
    )


def command_for(item: ChecklistItem, *, has_checks: bool) -> str:
    """Return the command that settles an item, once there is what it needs; empty where there is
    nothing to run.

    Args:
        item: The item.
        has_checks: Whether checks name it: then no person can sign it off.
    """
    way = what_would_verify(item)
    if has_checks or way.by is Verifier.CHECKS:
        return f"harness verify --item {item.item_id}"
    return f"harness sign-off {item.item_id} --by NAME" if way.by is Verifier.PERSON else ""


_CHECKS = """
task-management/identify-current-backend-tasks-from-the-relevant-phase-file
    a check that the linked phase file has backend tasks for this feature (docs/readiness.md)
task-management/copy-task-details-to-primary-feature-section
    a check that the section says what the phase file says (docs/readiness.md)
task-management/break-down-into-component-features-if-needed
    a check that each backend task of the phase file is in the list (docs/readiness.md)
quality-check/feature-completeness
    checks that use each component feature against the emulators, one or more for each
quality-check/error-handling
    checks that give functions wrong input and injected faults, and expect the documented errors
quality-check/performance-optimization
    checks that hold each query within its budget of index entries and reads
quality-check/security-rules-testing
    checks that try each rule as owner, stranger and signed-out user, for every method
quality-check/code-organization
    checks of the functions' folder structure and of one export for each function
quality-check/test-coverage
    checks that rules expressions and functions are covered to the threshold in harness.yaml
quality-check/documentation
    checks that every function, collection and rule is named in the documentation
quality-check/cost-optimization-review
    checks that count billed reads and writes against the budgets in harness.yaml
testing/test-with-firebase-emulator-suite
    checks that run against a started Emulator Suite and reach each service in firebase.json
testing/verify-security-rules
    checks that read and write as each persona, with denials expected where rules deny
testing/test-cloud-functions
    checks that call each function, and trigger each trigger, in the Functions emulator
testing/performance-testing
    checks that index entries and reads stay flat while collections grow
testing/error-scenario-testing
    checks that fail transactions, functions and permissions on purpose and look at what is left
testing/integration-testing-with-flutter-frontend
    checks that compare what the Flutter code reads and writes with rules and indexes
documentation-review/firebase-services-configuration-and-setup
    checks that firebase.json names each service in use and that its files load
setup/verify-data-models-and-schemas
    checks that documents of each collection fit the schema, and that rules refuse others
setup/confirm-flutter-integration-points
    checks that each collection and function the Flutter code names exists in the back end
setup/review-file-structure-requirements
    checks that the files which firebase.json names are where it says
setup/set-up-firebase-emulators-for-local-development
    checks that the Emulator Suite starts from this firebase.json
development/implement-cloud-functions
    checks that each planned function is exported and answers in the Functions emulator
development/configure-firestore-collections-and-queries
    checks that every query the app sends has its index and is allowed by the rules
development/set-up-cloud-storage-buckets-if-needed
    checks that upload and read files as each persona against the Storage emulator
development/implement-authentication-rules
    checks that each persona is admitted or refused as planned
development/add-business-logic
    checks of each business rule through the functions that carry it
development/implement-data-validation
    checks that malformed writes are refused by rules or functions
development/add-real-time-features-if-needed
    checks that a listener sees the changes it should, and no others
development/write-and-maintain-tests
    checks that every function and rule has a check, and that weakened rules make one fail
integration/connect-with-flutter-widgets
    checks that what the Flutter code reads and writes fits rules and indexes
integration/document-api-endpoints-and-cloud-functions
    checks that every exported function is named in the documentation
completion/verify-production-configuration
    checks of what the repository says of production: rules, secrets, indexes (docs/readiness.md)
"""

_PEOPLE = """
documentation-review/tech-stack-guidelines-tech-stack-tech-stack-rules
    sign-off by a person who has read both documents; a check tells only that they are there
documentation-review/cloud-functions-architecture
    sign-off by a person who has reviewed it
documentation-review/data-models-and-schemas
    sign-off by a person who has reviewed them
documentation-review/integration-points-apis-authentication-storage
    sign-off by a person who has reviewed them
documentation-review/real-time-features-if-needed
    sign-off by a person who has reviewed them, or decided that none are needed
architecture/data-flow-and-relationships-in-firestore
    sign-off by a person who has agreed to the plan
architecture/cloud-functions-structure
    sign-off by a person who has agreed to the plan
architecture/security-rules-and-authentication-boundaries
    sign-off by a person who has agreed to the plan
architecture/real-time-requirements
    sign-off by a person who has agreed to the plan
architecture/test-specifications
    sign-off by a person who has agreed to the plan
architecture/pause-check-in-with-user
    sign-off by a person, the user's word to go on
integration/configure-firebase-analytics-if-needed
    sign-off by a person, the Emulator Suite has no Analytics
completion/user-sign-off
    sign-off by a person, the user's own
completion/update-task-tracking
    sign-off by a person who has updated the tracker
completion/document-learnings
    sign-off by a person who has written them down
"""


def _table(text: str, by: Verifier) -> dict[str, WayToVerify]:
    """Read lines of heading and text as slugs, each followed by its indented sentence."""
    sentences: dict[str, list[str]] = {}
    for line in text.strip().splitlines():
        if not line.startswith(" "):
            item = line
            sentences[item] = []
        else:
            sentences[item].append(line.strip())
    return {item: WayToVerify(by, " ".join(parts)) for item, parts in sentences.items()}


_BY_SLUG = {**_table(_CHECKS, Verifier.CHECKS), **_table(_PEOPLE, Verifier.PERSON)}
