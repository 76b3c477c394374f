"""The fixtures that checks use, a module for each subject.

pytest loads these in every project of the environment: what a fixture needs is imported when it is
asked for. A fixture that lets emulators or files decide a check's outcome has its row in
`inputs.py`.
"""

from harness.pytest_plugin import (
    fixtures_costs,
    fixtures_findings,
    fixtures_firestore,
    fixtures_functions,
    fixtures_project,
    fixtures_storage,
    fixtures_suite,
)

MODULES = (
    fixtures_suite,
    fixtures_project,
    fixtures_firestore,
    fixtures_costs,
    fixtures_functions,
    fixtures_storage,
    fixtures_findings,
)
