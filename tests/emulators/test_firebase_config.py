from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.emulators.firebase_config import (
    PrivateConfig,
    RuleFiles,
    choose_services,
    configured_ports,
    has_emulator,
    named_services,
    port_names,
    read_firebase_config,
    rewrite_config,
    without_unconfigured,
)
from harness.errors import ConfigError

_WHOLE: dict[str, Any] = {
    "functions": {"source": "functions", "codebase": "main", "predeploy": ["npm run build"]},
    "firestore": {"rules": "firestore.rules", "indexes": "firestore.indexes.json"},
    "storage": {"rules": "storage.rules"},
    "hosting": {"public": "web", "source": "."},
    "emulators": {
        "auth": {"port": 9099, "host": "0.0.0.0"},
        "functions": {"port": "5001"},
        "firestore": {"port": 8080, "websocketPort": 9150},
        "ui": {"enabled": True},
    },
}


def _project(folder: Path, data: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "functions").mkdir(exist_ok=True)
    for name in ("firestore.rules", "storage.rules", "firestore.indexes.json"):
        (folder / name).write_text("")
    (folder / "firebase.json").write_text(json.dumps(data))
    return folder


def _rewritten(project: Path, data: dict[str, Any], **changes: Any) -> PrivateConfig:
    config = read_firebase_config(_project(project, data))
    services = changes.pop("services", None) or choose_services(config, None)
    ports = {name: 20_000 + index for index, name in enumerate(port_names(services))}
    arguments = {"project_id": "demo-x", "folder": Path("/private/run"), **changes}
    return rewrite_config(config, services=services, ports=ports, **arguments)


def test_services_of_the_back_end_are_named_whether_or_not_they_are_started(tmp_path):
    more = {"database": {"rules": "x.json"}, "dataconnect": {"source": "x"}, "extensions": {}}
    named = named_services(_project(tmp_path, {**_WHOLE, **more}))
    assert named == ("auth", "functions", "firestore", "storage", "database", "dataconnect")
    assert [name for name in named if not has_emulator(name)] == ["database", "dataconnect"]
    assert has_emulator("eventarc")
    assert named_services(_project(tmp_path, {"hosting": {"public": "web"}})) == ()


def test_a_malformed_file_is_reported_with_line_and_column(tmp_path):
    (tmp_path / "firebase.json").write_text('{\n  "firestore": {},\n  "storage": ]\n}\n')
    with pytest.raises(ConfigError) as caught:
        read_firebase_config(tmp_path)
    at = caught.value.at
    assert at is not None
    assert (Path(at.file_name).name, at.line, at.column) == ("firebase.json", 3, 14)


def test_comments_are_allowed_as_firebase_tools_allows_them(tmp_path):
    (tmp_path / "firebase.json").write_text('{"auth": {}} // http://x\n')
    assert read_firebase_config(tmp_path).data == {"auth": {}}


@pytest.mark.parametrize(
    ("text", "words"),
    [("[]", "not an object"), ("\xff", "UTF-8"), (None, "no firebase.json")],
)
def test_a_file_that_cannot_be_used_is_a_config_error(tmp_path, text, words):
    if text is not None:
        (tmp_path / "firebase.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=words):
        read_firebase_config(tmp_path)


def test_what_is_configured_is_started_and_auth_with_it(tmp_path):
    config = read_firebase_config(_project(tmp_path, _WHOLE))
    assert choose_services(config, None) == ("auth", "functions", "firestore", "storage")
    config = read_firebase_config(_project(tmp_path, {"firestore": {}}))
    assert choose_services(config, None) == ("auth", "firestore")


@pytest.mark.parametrize(
    ("only", "left"),
    [
        (["firestore", "storage"], ("firestore",)),
        (["auth", "firestore", "hosting", "ui"], ("auth", "firestore")),
        (["firestore", "eventarc"], ("firestore", "eventarc")),
        # Nothing would be left, and no emulator has such a name: both are for `choose_services`.
        (["storage"], ("storage",)),
        (["firestore", "storag"], ("firestore", "storag")),
    ],
)
def test_what_cannot_run_is_left_out_where_something_else_can(tmp_path, only, left):
    config = read_firebase_config(_project(tmp_path, {"firestore": {}}))
    assert without_unconfigured(config, only) == left


def test_only_chooses_among_what_is_configured(tmp_path):
    config = read_firebase_config(_project(tmp_path, _WHOLE))
    assert choose_services(config, ["storage", "auth", "eventarc", "hub"]) == ("auth", "storage")
    with pytest.raises(ConfigError, match="does not configure it"):
        choose_services(config, ["database"])
    with pytest.raises(ConfigError, match="hosting"):
        choose_services(config, ["hosting"])
    with pytest.raises(ConfigError, match="configures none"):
        choose_services(read_firebase_config(_project(tmp_path, {"hosting": {}})), None)


def test_ports_are_taken_from_the_file_where_asked_for(tmp_path):
    config = read_firebase_config(_project(tmp_path, _WHOLE))
    assert configured_ports(config) == {
        "auth": 9099,
        "functions": 5001,
        "firestore": 8080,
        "firestore.websocket": 9150,
    }
    config = read_firebase_config(_project(tmp_path, {"emulators": {"auth": {"port": "many"}}}))
    with pytest.raises(ConfigError, match=r"emulators\.auth\.port is 'many'"):
        configured_ports(config)


def test_the_rewritten_file_listens_on_loopback_only_and_on_the_given_ports(tmp_path):
    written = _rewritten(tmp_path, _WHOLE).firebase_json
    emulators = written["emulators"]
    assert emulators["ui"] == {"enabled": False}
    assert emulators["auth"] == {"host": "127.0.0.1", "port": 20_001}
    assert set(emulators) == {
        *("singleProjectMode", "ui", "hub", "auth", "functions", "firestore", "storage"),
        *("eventarc", "tasks", "logging"),
    }
    assert emulators["firestore"]["websocketPort"] == 20_007
    assert "hosting" not in written


def test_the_rewritten_file_names_the_users_files_where_they_are(tmp_path):
    config = _rewritten(tmp_path, _WHOLE, folder=tmp_path / "run")
    written = config.firebase_json
    assert written["firestore"]["rules"] == str(tmp_path / "firestore.rules")
    assert written["storage"] == {"rules": str(tmp_path / "storage.rules")}
    # firebase-tools joins this one to the folder of its configuration file
    assert written["functions"] == {"source": "../functions", "codebase": "main"}
    assert config.functions_dirs == (tmp_path / "functions",)
    assert config.files == RuleFiles(
        tmp_path / "firestore.rules",
        tmp_path / "firestore.indexes.json",
        (tmp_path / "storage.rules",),
    )


def test_the_users_file_is_not_touched(tmp_path):
    _rewritten(tmp_path, _WHOLE)
    assert json.loads((tmp_path / "firebase.json").read_text()) == _WHOLE


@pytest.mark.parametrize("key", ["firestore", "storage"])
def test_rules_that_do_not_exist_are_an_error_not_open_rules(tmp_path, key):
    data = {**_WHOLE, key: {"rules": "elsewhere.rules"}}
    with pytest.raises(ConfigError, match=r"elsewhere\.rules, which does not exist"):
        _rewritten(tmp_path, data)


@pytest.mark.parametrize("key", ["firestore", "storage"])
def test_having_no_rules_at_all_is_said(tmp_path, key):
    config = _rewritten(tmp_path, {**_WHOLE, key: {}})
    assert any("allows everything" in note for note in config.notes)


def test_what_firebase_json_has_and_is_not_started_is_said(tmp_path):
    data = {**_WHOLE, "hosting": {"public": "web"}, "dataconnect": {}, "remoteconfig": {}}
    config = _rewritten(tmp_path, {**data, "emulators": {"pubsub": {"port": 8085}}})
    assert "of firebase.json these are not started: pubsub, hosting, dataconnect" in config.notes
    assert not {"hosting", "dataconnect"} & config.firebase_json.keys()


def test_overrides_take_the_place_of_the_named_files(tmp_path):
    weak = tmp_path / "weak.rules"
    weak.write_text("")
    config = _rewritten(tmp_path, _WHOLE, overrides=RuleFiles(firestore_rules=weak))
    assert config.firebase_json["firestore"]["rules"] == str(weak)
    assert config.files.firestore_indexes == tmp_path / "firestore.indexes.json"


def test_of_several_databases_the_default_one_counts_and_this_is_said(tmp_path):
    databases = [
        {"database": "archive", "rules": "storage.rules"},
        {"database": "(default)", "rules": "firestore.rules"},
    ]
    config = _rewritten(tmp_path, {**_WHOLE, "firestore": databases})
    assert config.firebase_json["firestore"]["rules"] == str(tmp_path / "firestore.rules")
    assert any("several Firestore databases" in note for note in config.notes)


def test_storage_targets_keep_their_buckets_for_the_demo_project(tmp_path):
    targets = {"app-prod": {"storage": {"main": ["app.appspot.com"], "old": ["old-bucket"]}}}
    (tmp_path / ".firebaserc").write_text(json.dumps({"targets": targets}))
    section = [
        {"target": "main", "rules": "storage.rules"},
        {"target": "old", "rules": "firestore.rules"},
    ]
    config = _rewritten(tmp_path, {**_WHOLE, "storage": section})
    assert config.firebaserc["targets"] == {
        "demo-x": {"storage": {"main": ["app.appspot.com"], "old": ["old-bucket"]}}
    }
    assert len(config.firebase_json["storage"]) == 2


def test_a_storage_target_without_bucket_is_an_error_not_open_rules(tmp_path):
    section = [{"target": name, "rules": "storage.rules"} for name in ("main", "old")]
    with pytest.raises(ConfigError, match="'main' has no bucket"):
        _rewritten(tmp_path, {**_WHOLE, "storage": section})


def test_several_codebases_are_all_loaded(tmp_path):
    (tmp_path / "payments").mkdir()
    section = [{"source": "functions"}, {"source": "payments", "codebase": "payments"}]
    config = _rewritten(tmp_path, {**_WHOLE, "functions": section}, folder=tmp_path / "run")
    assert [entry["source"] for entry in config.firebase_json["functions"]] == [
        "../functions",
        "../payments",
    ]


def test_a_section_in_a_file_of_its_own_is_read(tmp_path):
    (tmp_path / "fs.json").write_text(json.dumps({"firestore": {"rules": "firestore.rules"}}))
    config = _rewritten(tmp_path, {**_WHOLE, "firestore": "fs.json"})
    assert config.files.firestore_rules == tmp_path / "firestore.rules"


def test_a_path_written_on_windows_is_found(tmp_path):
    (tmp_path / "db").mkdir(parents=True)
    (tmp_path / "db" / "open.rules").write_text("")
    written = _rewritten(tmp_path, {"firestore": {"rules": "db\\open.rules"}})
    assert written.files.firestore_rules == (tmp_path / "db" / "open.rules").resolve()


def test_a_lenient_run_goes_on_without_firestore_files_that_are_not_there_and_says_so(tmp_path):
    data = {"firestore": {"rules": "no.rules", "indexes": "no.json"}}
    written = _rewritten(tmp_path, data, lenient=True)
    assert written.firebase_json["firestore"] == {}
    assert written.files == RuleFiles()
    assert [note.split("firebase.json: ")[-1] for note in written.notes] == [
        "firestore.rules names no.rules, which does not exist",
        "firestore.indexes names no.json, which does not exist",
        "without Firestore rules the emulator allows everything, until some are loaded",
    ]
    with pytest.raises(ConfigError, match=r"names no\.rules"):
        _rewritten(tmp_path, data)


def test_a_lenient_run_says_which_indexes_it_does_without(tmp_path):
    project = _project(tmp_path, data := {"firestore": {"indexes": "few.json"}})
    entry = {"collectionGroup": "c", "queryScope": "COLLECTION"}
    field = {"fieldPath": "a", "order": "ASCENDING"}
    (project / "few.json").write_text(json.dumps({"indexes": [entry | {"fields": [field]}]}))
    notes = _rewritten(tmp_path, data, lenient=True).notes
    assert any("one field a is not necessary" in note and "left out" in note for note in notes)
