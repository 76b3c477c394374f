"""Implementation Phase / Development: collections and queries, on the app's side and on ours."""

import pytest

pytestmark = pytest.mark.workflow("Development/Configure Firestore collections and queries")


def test_app_rules_and_indexes_agree(readiness, settle):
    """All that the app asks of Firestore has a rule and an index; no index is about nothing."""
    settle(readiness.collections)


def test_the_app_was_understood(client_contract):
    """All Firestore calls of the app were read."""
    assert [str(use.position) for use in client_contract.not_understood] == []
