from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.server.options import parse_options


def test_the_command_of_firebase_tools_is_understood() -> None:
    options = parse_options(
        [
            "--host",
            "127.0.0.1",
            "--port",
            "8081",
            "--websocket_port",
            "9150",
            "--database-edition",
            "standard",
            "--project_id",
            "demo-x",
            "--rules",
            "/a/firestore.rules",
            "--single_project_mode",
            "true",
            "--functions_emulator",
            "127.0.0.1:5001",
            "--function-manifests",
            "/m",
            "--seed",
            "/s.yaml",
        ]
    )
    assert (options.host, options.port, options.project_id) == ("127.0.0.1", 8081, "demo-x")
    assert options.rules == Path("/a/firestore.rules")
    assert options.functions_emulator == "127.0.0.1:5001"
    assert (options.function_manifests, options.seed_file) == (Path("/m"), Path("/s.yaml"))
    assert options.single_project_mode
    assert options.enforces_indexes
    assert options.websocket_port == 9150
    assert not options.log_requests


def test_a_request_view_is_opened_only_where_a_port_is_named() -> None:
    assert parse_options([]).websocket_port is None
    with pytest.raises(ConfigError, match="--websocket_port x is no port"):
        parse_options(["--websocket_port", "x"])


def test_what_is_not_known_is_ignored() -> None:
    assert parse_options(["--later", "thing", "stray", "--port", "1"]).port == 1


def test_booleans_may_stand_alone_or_with_a_value() -> None:
    assert parse_options(["--enforce-indexes", "false"]).enforce_indexes is False
    assert parse_options(["--enforce-indexes=false"]).enforce_indexes is False


def test_a_profile_says_whether_indexes_are_enforced_unless_that_is_said() -> None:
    assert parse_options(["--profile", "production"]).enforces_indexes
    assert not parse_options(["--profile", "emulator"]).enforces_indexes
    assert parse_options(["--profile=emulator", "--enforce-indexes"]).enforces_indexes
    with pytest.raises(ConfigError, match="write one of production, emulator"):
        parse_options(["--profile", "staging"])
    alone = parse_options(["--single_project_mode", "--project_id", "p"])
    assert (alone.single_project_mode, alone.project_id) == (True, "p")


def test_the_defaults_are_those_of_the_official_emulator() -> None:
    options = parse_options([])
    assert (options.host, options.port) == ("localhost", 8080)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("--port abc", "--port abc is no port"),
        ("--port 70000", "is no port"),
        ("--port", "--port lacks its value"),
        ("--single_project_mode", "Expected project_id to be set for single_project_mode"),
        (
            "--single_project_mode_error --project_id x",
            "Expected single_project_mode to be set for single_project_mode_error",
        ),
        ("--enforce-indexes=maybe", "neither true nor false"),
        ("--functions_emulator nowhere", "is no HOST:PORT"),
        ("--database-edition enterprise", "enterprise is not supported"),
        ("--database-mode datastore-mode", "datastore-mode is not supported"),
    ],
)
def test_a_wrong_value_says_what_to_do(arguments: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_options(arguments.split())
    assert problem in error.value.problem
    assert error.value.fix
