"""Implementation Phase / Integration: the documents name each function."""

import pytest

pytestmark = pytest.mark.workflow("Integration/Document API endpoints and Cloud Functions")


def test_every_deployed_function_is_documented(readiness, settle, deployed_functions):
    """Every deployed function is named in the back end's documents."""
    settle(readiness.functions_documented, deployed_functions, "backend/docs")
