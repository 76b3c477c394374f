"""Completion / Verify production configuration: what the repository says of production.

What is set in the Firebase console, no check can tell."""

from datetime import UTC, datetime

import pytest

pytestmark = pytest.mark.workflow("Completion/Verify production configuration")


def test_there_is_a_project_to_deploy_to(readiness, settle):
    """.firebaserc names a project that is no demo project."""
    settle(readiness.deploy_target)


def test_no_rules_are_open(readiness, settle):
    """No rules file has open rules, or those of test mode, in force or expired."""
    settle(readiness.rules_closed, datetime.now(UTC).date())


def test_there_is_no_secret(readiness, settle):
    """No file of the repository holds a secret."""
    settle(readiness.secrets)


def test_nothing_is_deployed_untested(readiness, settle):
    """Functions have predeploy hooks."""
    settle(readiness.predeploy)


def test_region_and_app_check_are_settled(readiness, settle):
    """The functions' code states their region, and whether App Check is enforced."""
    settle(readiness.region_and_app_check)


def test_every_query_has_its_index(readiness, settle):
    """The index file serves every query of the app."""
    settle(readiness.indexes_complete)
