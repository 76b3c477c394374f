from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config import (
    Budget,
    EmulatorAddress,
    FirebaseConfig,
    FirestoreDatabase,
    FirestoreSettings,
    FunctionsCodebase,
    PartBudgets,
    Persona,
    RulesSettings,
    Settings,
    StorageBucket,
    parse_firebase_json,
    parse_settings,
)
from harness.errors import ConfigError
from harness.source import SourceText


def firebase(text: str) -> FirebaseConfig:
    return parse_firebase_json(SourceText("firebase.json", text))


def settings(text: str) -> Settings:
    return parse_settings(SourceText("harness.yaml", text))


def refusal(parse: Callable[[str], object], text: str) -> ConfigError | None:
    try:
        parse(text)
    except ConfigError as error:
        return error
    return None


def test_an_ordinary_firebase_json():
    config = firebase(
        """{
          // as `firebase init` writes it
          "firestore": {"rules": "firestore.rules", "indexes": "firestore.indexes.json"},
          "functions": [{"source": "functions", "codebase": "default", "runtime": "nodejs22",
                         "ignore": ["node_modules"], "predeploy": ["npm run build"]}],
          "storage": {"rules": "storage.rules"},
          "hosting": {"public": "public"},
          "emulators": {
            "auth": {"port": 9099}, "firestore": {"host": "127.0.0.1", "port": "8080"},
            "ui": {"enabled": false}, "singleProjectMode": false
          }
        }"""
    )
    assert config == FirebaseConfig(
        firestore=(FirestoreDatabase("(default)", "firestore.rules", "firestore.indexes.json"),),
        functions=(FunctionsCodebase("functions", "default", "nodejs22"),),
        storage=(StorageBucket("storage.rules"),),
        emulators={
            "auth": EmulatorAddress(None, 9099),
            "firestore": EmulatorAddress("127.0.0.1", 8080),
            "ui": EmulatorAddress(None, None),
        },
        single_project_mode=False,
        ui_enabled=False,
    )
    assert config.default_firestore == config.firestore[0]


def test_an_empty_firebase_json_has_nothing():
    assert firebase("{}") == FirebaseConfig()
    assert firebase("{}").default_firestore is None


def test_lists_of_databases_codebases_and_buckets():
    config = firebase(
        """{
          "firestore": [
            {"database": "(default)", "rules": "a.rules"},
            {"database": "archive", "rules": "b.rules", "indexes": "b.json"},
            {"target": "eu", "rules": "c.rules"}],
          "functions": [
            {"source": "one", "codebase": "one"}, {"codebase": "two"},
            {"remoteSource": {"repository": "r", "ref": "v1"}, "runtime": "nodejs22"}],
          "storage": [{"bucket": "b", "rules": "s.rules"}, {"target": "t", "rules": "t.rules"}]
        }"""
    )
    assert config.firestore == (
        FirestoreDatabase("(default)", "a.rules", None),
        FirestoreDatabase("archive", "b.rules", "b.json"),
        FirestoreDatabase("eu", "c.rules", None),
    )
    assert config.functions == (
        FunctionsCodebase("one", "one"),
        FunctionsCodebase("functions", "two"),
    )
    assert config.storage == (
        StorageBucket("s.rules", bucket="b"),
        StorageBucket("t.rules", target="t"),
    )


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("[]", 1, 1, "firebase.json is an array"),
        ('{"firestore": true}', 1, 15, "firestore is a boolean"),
        ('{"firestore": {"rules": 1}}', 1, 25, "firestore.rules is a number"),
        ('{"firestore": "firestore.json"}', 1, 15, "imported from another file"),
        ('{"firestore": [{"rules": "a"}]}', 1, 16, "neither database nor target"),
        ('{"functions": [1]}', 1, 16, r"functions\[0\] is a number"),
        ('{"functions": {"source": []}}', 1, 26, "functions.source is an array"),
        ('{"storage": {}}', 1, 13, "names no rules"),
        ('{"emulators": []}', 1, 15, "emulators is an array"),
        ('{"emulators": {"auth": 9099}}', 1, 24, "emulators.auth is a number"),
        ('{"emulators": {"auth": {"port": 70000}}}', 1, 33, "not a port"),
        ('{"emulators": {"auth": {"port": true}}}', 1, 33, "not a port"),
        ('{"emulators": {"auth": {"port": "80a"}}}', 1, 33, "not a port"),
        ('{"emulators": {"singleProjectMode": 1}}', 1, 37, "is a number"),
        ('{\n  "firestore": {"rules": "a",}\n}', 2, 29, "trailing comma"),
    ],
)
def test_a_firebase_json_that_does_not_fit_is_refused_with_its_place(text, line, column, words):
    with pytest.raises(ConfigError, match=words) as caught:
        firebase(text)
    assert (caught.value.at.line, caught.value.at.column) == (line, column)
    assert caught.value.fix


def test_all_settings():
    found = settings(
        """
# comments are fine
workflow: [workflow/backend-workflow.md, ../docs/second.md]
checks: tests/checks
project_id: demo-shop
coverage_threshold: 87.5
budgets:
  feed: 21
  profile: {reads: 1, writes: 2, growth: page}
  functions: {settle: {reads: 3, writes: 2}}
  queries: {posts: 20, "posts order by n": {reads: 5, index_entries: 6}}
firestore: {profile: emulator, indexes: on}
flutter: ../app
personas:
  alice:
  admin: {uid: root, claims: {admin: true, teams: [a, b], level: 3, note: null}}
  visitor: {uid: null}
rules: {coverage: 90, mutation_score: 85.5, lint: {off: [list-reads-documents]}}
"""
    )
    assert found == Settings(
        workflow_documents=("workflow/backend-workflow.md", "../docs/second.md"),
        checks_folder="tests/checks",
        project_id="demo-shop",
        coverage_threshold=87.5,
        budgets={"feed": Budget(reads=21), "profile": Budget(reads=1, writes=2, growth="page")},
        part_budgets=PartBudgets(
            functions={"settle": Budget(reads=3, writes=2)},
            queries={
                "posts": Budget(reads=20),
                "posts order by n": Budget(reads=5, index_entries=6),
            },
        ),
        firestore=FirestoreSettings("emulator", indexes=True),
        flutter_folder="../app",
        personas={
            "alice": Persona("alice"),
            "admin": Persona(
                "root", {"admin": True, "teams": ["a", "b"], "level": 3, "note": None}
            ),
            "visitor": Persona(None),
        },
        rules=RulesSettings(90.0, 85.5, ("list-reads-documents",)),
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null", "{}", "\ufeff"])
def test_no_settings_are_the_defaults(text):
    assert settings(text) == Settings()
    assert Settings().project_id.startswith("demo-")


def test_one_workflow_document_needs_no_list():
    assert settings("workflow: a.md").workflow_documents == ("a.md",)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("budget: {a: 1}", 1, 1, 'did you mean "budgets"'),
        ("checks: a\nzzz: 1", 2, 1, "known keys: access, budgets"),
        ("personas: {a: {id: x}}", 1, 16, 'did you mean "uid"'),
        ("checks: a\nchecks: b", 2, 1, "there twice"),
        ("personas: {a: {claims: {x: 1, x: 2}}}", 1, 31, "there twice"),
        ("- a", 1, 1, "harness.yaml is not a mapping"),
        ("checks: 1", 1, 9, "checks is not a string"),
        ("checks: ''", 1, 9, "checks is empty"),
        ("checks: /etc", 1, 9, "absolute path"),
        ("checks: ~/x", 1, 9, "absolute path"),
        ('checks: "C:\\\\x"', 1, 9, "absolute path"),
        ('checks: "a\\0b"', 1, 9, "null character"),
        ("workflow: [a.md, 2]", 1, 18, r"workflow\[1\] is not a string"),
        ("project_id: Demo", 1, 13, "not a project id"),
        ("project_id: a", 1, 13, "not a project id"),
        ("coverage_threshold: 101", 1, 21, "not a percentage"),
        ("coverage_threshold: .nan", 1, 21, "not a finite number"),
        ("coverage_threshold: true", 1, 21, "not a percentage"),
        ("rules: {coverage: 101}", 1, 19, "not a percentage"),
        ("rules: {mutants: 1}", 1, 9, "is not a key of rules"),
        ("rules: {lint: {off: one}}", 1, 21, "is not a list"),
        ("budgets: {a: -1}", 1, 14, "not a whole number"),
        ("budgets: {a: true}", 1, 14, "not a whole number"),
        ("firestore: {profile: jar}", 1, 22, 'there is no profile "jar"'),
        ("firestore: {indexes: 1}", 1, 22, "neither on nor off"),
        ("firestore: {index: on}", 1, 13, 'did you mean "indexes"'),
        ("budgets: {a: {read: 1}}", 1, 15, 'did you mean "reads"'),
        ("budgets: {a: {growth: fast}}", 1, 23, '"fast" is no way to grow'),
        ("budgets: [1]", 1, 10, "budgets is not a mapping"),
        ("budgets: {functions: 5}", 1, 22, "budgets.functions is not a mapping"),
        ("budgets: {queries: {posts: {writes: 1}}}", 1, 29, "not a key of budgets.queries.posts"),
        ("budgets: {functions: {f: {invocations: 1}}}", 1, 27, "not a key of budgets.functions.f"),
        ("personas: {a: {claims: 1}}", 1, 24, "claims is not a mapping"),
        ("personas: {a: {claims: {d: 2024-01-01}}}", 1, 28, "would be a timestamp"),
        ("personas: {a: {uid: null, claims: {b: 1}}}", 1, 35, "is signed out and has claims"),
        ("? [a]\n: 1", 1, 3, "a key that is not a name"),
        ("checks: a: b", 1, 10, "not YAML"),
        ("checks: [a", 1, 11, "not YAML"),
        ("checks:\n\t- a", 2, 1, "not YAML"),
        ("checks: \x07", 1, 9, "does not allow: U\\+0007"),
        ("checks: &a x", 1, 9, "anchors and aliases"),
        ("checks: *a", 1, 9, "anchors and aliases"),
        ("checks: !!python/object:os.system x", 1, 9, "tag .* is not supported"),
        ("personas:\n  <<: {}", 2, 3, "merge keys"),
        ("checks: a\n---\nchecks: b", 2, 1, "second document"),
        ("budgets: " + "[" * 40, 1, 39, "nested more than 30"),
        ("budgets: {a: " + "9" * 5000 + "}", 1, 14, "cannot be read as a value"),
        ("#" * 300_000, 1, 1, "characters are too many"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused_with_their_place(text, line, column, words):
    with pytest.raises(ConfigError, match=words) as caught:
        settings(text)
    assert (caught.value.at.line, caught.value.at.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "path", "is_inline"),
    [
        ("access: rules/access.yaml", "rules/access.yaml", False),
        ("access: access.csv", "access.csv", False),
        ("access: {rows: []}", "harness.yaml", True),
        ("", None, False),
    ],
)
def test_the_access_matrix_is_a_file_or_within_the_settings(text, path, is_inline):
    assert (settings(text).access, settings(text).has_inline_access) == (path, is_inline)


@pytest.mark.parametrize("text", ["access: [a]", "access: /etc/access.yaml", "access: 1"])
def test_an_access_matrix_that_is_neither_is_refused(text):
    with pytest.raises(ConfigError, match="access is"):
        settings(text)


@given(st.text() | st.text(alphabet="checkswo: {}[]\n-'\"&*!#|>?%@`~,\t"))
def test_no_text_gives_anything_but_settings_or_a_config_error(text):
    error = refusal(settings, text)
    assert error is None or error.at is not None


@given(st.text() | st.text(alphabet='{}[]":, firestore/*\n'))
def test_no_text_gives_anything_but_a_firebase_config_or_a_config_error(text):
    error = refusal(firebase, text)
    assert error is None or error.at is not None


def test_checks_is_a_folder_or_says_which_items_checks_verify():
    assert parse_settings(SourceText("harness.yaml", "checks: qa")).checks_folder == "qa"
    text = "checks:\n  test_a.py: Gate/It holds\n  '*::test_b': [One, Two]\nchecks_folder: qa\n"
    settings = parse_settings(SourceText("harness.yaml", text))
    assert settings.checks_folder == "qa"
    assert settings.check_items == {"test_a.py": ("Gate/It holds",), "*::test_b": ("One", "Two")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("checks: a\nchecks_folder: b", "checks and checks_folder both name a folder"),
        ("checks: {test_a.py: 3}", "checks.test_a.py is not a string"),
        ("checks: {test_a.py: ''}", "checks.test_a.py is empty"),
        ("checks: {test_a.py: [One, 2]}", "checks.test_a.py[1] is not a string"),
        ("checks: {a: One, a: Two}", '"a" is there twice'),
    ],
)
def test_a_mapping_of_checks_that_does_not_fit_is_refused(text: str, said: str):
    with pytest.raises(ConfigError) as caught:
        parse_settings(SourceText("harness.yaml", text))
    assert said in str(caught.value)


def test_files_of_other_parts_are_named_whatever_else_these_parts_hold():
    config = firebase(
        """{
          "database": [{"target": "a", "rules": "a.json"}, {"rules": "b\\\\c.json"}, 5],
          "remoteconfig": {"template": "remote.json"},
          "dataconnect": {"source": 7},
          "hosting": {"public": "web"}
        }"""
    )
    assert config.other_files == ("a.json", "b/c.json", "remote.json")
