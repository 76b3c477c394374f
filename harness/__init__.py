"""The public names. They are loaded when first used, so that `import harness` itself costs nothing.

Re-exports only, no logic. pytest imports this package in every project of the environment it is
installed in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.config import Settings as Settings
    from harness.emulators.auth import AuthUser as AuthUser
    from harness.emulators.client_queries import ClientRequests as ClientRequests
    from harness.emulators.client_queries import run_client_query as run_client_query
    from harness.emulators.firebase_config import has_emulator as has_emulator
    from harness.emulators.firebase_config import named_services as named_services
    from harness.emulators.functions import FunctionsError as FunctionsError
    from harness.emulators.storage import StorageDenied as StorageDenied
    from harness.emulators.storage import StorageObjectMissing as StorageObjectMissing
    from harness.emulators.suite import EmulatorSuite as EmulatorSuite
    from harness.emulators.suite import SuiteOptions as SuiteOptions
    from harness.errors import HarnessError as HarnessError
    from harness.files import read_text_file as read_text_file
    from harness.flutter_project import app_services as app_services
    from harness.project import named_files as named_files
    from harness.project_rules import example_documents as example_documents
    from harness.project_rules import serious_findings as serious_findings
    from harness.pytest_plugin.outcome import NotVerified as NotVerified
    from harness.pytest_plugin.outcome import not_verified as not_verified
    from harness.rules.ruleset import load_ruleset as load_ruleset
    from harness.source import SourceText as SourceText
    from harness.workflow.document import ChecklistItem as ChecklistItem
    from harness.workflow.document import WorkflowDocument as WorkflowDocument
    from harness.workflow.document import parse_workflow as parse_workflow

_HOMES = {
    # in checks
    "not_verified": "harness.pytest_plugin.outcome",
    "NotVerified": "harness.pytest_plugin.outcome",
    "FunctionsError": "harness.emulators.functions",
    "StorageDenied": "harness.emulators.storage",
    "StorageObjectMissing": "harness.emulators.storage",
    "AuthUser": "harness.emulators.auth",
    # the suite around something else
    "EmulatorSuite": "harness.emulators.suite",
    "SuiteOptions": "harness.emulators.suite",
    # what firebase.json names
    "has_emulator": "harness.emulators.firebase_config",
    "named_files": "harness.project",
    "named_services": "harness.emulators.firebase_config",
    # the rules, by themselves
    "load_ruleset": "harness.rules.ruleset",
    "example_documents": "harness.project_rules",
    "serious_findings": "harness.project_rules",
    # what the app's Dart code asks for
    "app_services": "harness.flutter_project",
    "ClientRequests": "harness.emulators.client_queries",
    "run_client_query": "harness.emulators.client_queries",
    "read_text_file": "harness.files",
    # the workflow document
    "parse_workflow": "harness.workflow.document",
    "WorkflowDocument": "harness.workflow.document",
    "ChecklistItem": "harness.workflow.document",
    "SourceText": "harness.source",
    "Settings": "harness.config",
    "HarnessError": "harness.errors",
}

__all__ = [
    "AuthUser",
    "ChecklistItem",
    "ClientRequests",
    "EmulatorSuite",
    "FunctionsError",
    "HarnessError",
    "NotVerified",
    "Settings",
    "SourceText",
    "StorageDenied",
    "StorageObjectMissing",
    "SuiteOptions",
    "WorkflowDocument",
    "app_services",
    "example_documents",
    "has_emulator",
    "load_ruleset",
    "named_files",
    "named_services",
    "not_verified",
    "parse_workflow",
    "read_text_file",
    "run_client_query",
    "serious_findings",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
