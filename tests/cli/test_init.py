"""`harness init` in repositories of many shapes, and the `harness verify` that follows it."""

import ast
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from harness.config import parse_settings
from harness.source import SourceText
from tests.cli.conftest import ProjectFolder, Ran

Harness = Callable[..., Ran]

CLOSED = """\
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /users/{uid} {
      allow read, write: if request.auth != null && request.auth.uid == uid;
    }
    match /posts/{post} {
      allow get: if true;
      allow create: if request.auth != null;
    }
  }
}
"""
FIRESTORE = {"firestore": {"rules": "firestore.rules", "indexes": "firestore.indexes.json"}}
INDEXES = '{"indexes": [], "fieldOverrides": []}'
PUBSPEC = "name: app\ndependencies: {cloud_firestore: any}\n"
DART = """\
import 'package:cloud_firestore/cloud_firestore.dart';
Future<void> posts() =>
    FirebaseFirestore.instance.collection('posts').where('by', isEqualTo: 'x')
        .orderBy('at', descending: true).limit(20).get();
"""
DOCUMENT = "# Feature\n## Testing\n- [ ] Verify security rules\n- [ ] Test Cloud Functions\n"
CI = ".github/workflows/harness.yml"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_node: None) -> object:
    """Make a repository of files, and work in it."""

    def made(files: Mapping[str, str | dict[str, object]]) -> ProjectFolder:
        folder = ProjectFolder(tmp_path / "repository")
        for name, content in files.items():
            folder.write(name, content if isinstance(content, str) else json.dumps(content))
        monkeypatch.chdir(folder.path)
        return folder

    return made


Make = Callable[[Mapping[str, object]], ProjectFolder]


def checks_are_sound(folder: Path) -> None:
    for path in folder.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        ast.parse(text)
        assert "@" not in text.replace("@pytest", ""), path  # no place was left unfilled
        assert all(len(line) <= 100 for line in text.splitlines()), path


def test_a_project_with_an_app_and_a_document(make: Make, harness: Harness) -> None:
    files = {
        "firebase.json": FIRESTORE,
        "firestore.rules": CLOSED,
        "firestore.indexes.json": INDEXES,
        "pubspec.yaml": PUBSPEC,
        "lib/main.dart": DART,
        "workflow/feature.md": DOCUMENT,
    }
    project = make(files)

    ran = harness("init", "--dry-run")
    assert ran.status == 0
    assert "would write checks/test_security_rules.py" in ran.out
    assert sorted(path.name for path in project.path.iterdir()) == sorted(
        {name.partition("/")[0] for name in files}
    )

    ran = harness("init")
    assert ran.status == 0
    assert "without signing in, the rules allow 1 kinds of request" in ran.out
    assert ran.out.endswith("next: harness verify\n")
    assert not (project.path / "workflow/backend-workflow.md").exists()
    checks_are_sound(project.path / "checks")
    assert '("get", "posts/example"),' in project.read("checks/test_security_rules.py")
    assert "# No workflow document has" in project.read("checks/test_file_structure.py")
    settings = parse_settings(SourceText("harness.yaml", project.read("harness.yaml")))
    assert (settings.project_id, settings.flutter_folder) == ("demo-repository", ".")
    assert "PROJECT: ." in project.read(CI)

    ran = harness("verify")
    assert ran.status == 1
    said = " ".join(ran.out.split())
    # The public check passes, and proves too little by itself: the skeleton keeps the box empty.
    assert project.read("workflow/feature.md") == DOCUMENT
    assert "nobody has said yet who may do what: write an access matrix" in said
    assert "test_every_query_of_the_app_has_its_index" in said  # mapped to no item, and it fails
    assert "The query requires an index" in said

    # What a person does next: the index, and the matrix in place of the skeleton.
    project.write(
        "firestore.indexes.json",
        '{"indexes": [{"collectionGroup": "posts", "queryScope": "COLLECTION", "fields": ['
        '{"fieldPath": "by", "order": "ASCENDING"}, {"fieldPath": "at", "order": "DESCENDING"}]}]}',
    )
    text = project.read("checks/test_security_rules.py")
    project.write("checks/test_security_rules.py", text[: text.index("def test_each_persona")])
    harness("verify", "--item", "Verify security rules")
    assert "- [x] Verify security rules" in project.read("workflow/feature.md")

    # Rules that open more than PUBLIC says take the tick back.
    project.write("firestore.rules", CLOSED.replace("allow get:", "allow get, list:"))
    ran = harness("verify")
    assert project.read("workflow/feature.md") == DOCUMENT
    assert "opened: [('list', 'posts/example')]" in " ".join(ran.out.split())
    assert "requires an index" not in ran.out


def test_nothing_is_overwritten(make: Make, harness: Harness) -> None:
    own = {
        "firebase.json": FIRESTORE,
        "firestore.rules": CLOSED,
        "firestore.indexes.json": INDEXES,
        "harness.yaml": "checks: tests/rules\nproject_id: demo-mine\n",
        "tests/rules/test_security_rules.py": "# mine\n",
        CI: "# mine\n",
    }
    project = make(own)
    ran = harness("init")
    assert ran.status == 0
    for name in ("harness.yaml", "tests/rules/test_security_rules.py", CI):
        assert f"kept   {name}" in ran.out
    assert project.read("harness.yaml") == own["harness.yaml"]
    assert project.read("tests/rules/test_security_rules.py") == "# mine\n"
    assert project.read(CI) == "# mine\n"
    assert (project.path / "tests/rules/test_rules_quality.py").exists()
    assert not (project.path / "checks").exists()
    before = {path: path.read_bytes() for path in project.path.rglob("*") if path.is_file()}
    again = harness("init")
    assert "wrote" not in again.out
    assert {path: path.read_bytes() for path in before} == before


def test_without_a_document_it_is_the_template(make: Make, harness: Harness) -> None:
    project = make(
        {
            "firebase.json": FIRESTORE,
            "firestore.rules": CLOSED,
            "firestore.indexes.json": INDEXES,
            "docs/phase-2.md": "# Phase 2\n- [ ] Sharing\n",
        }
    )
    ran = harness("init")
    assert "harness begin --phase FILE --feature NAME" in ran.out
    assert "docs/phase-2.md" in ran.out
    ran = harness("verify")
    assert ran.status in (1, 3)
    assert "- [x] Review file structure requirements" in project.read(
        "workflow/backend-workflow.md"
    )
    assert "- [ ] Test with Firebase Emulator Suite" in project.read("workflow/backend-workflow.md")
    assert "auth: Node is not installed" in " ".join(ran.out.split())


def test_a_nested_project_is_found_by_every_command(make: Make, harness: Harness) -> None:
    project = make(
        {
            "backend/firebase.json": FIRESTORE,
            "backend/firestore.rules": CLOSED,
            "backend/firestore.indexes.json": INDEXES,
            "app/pubspec.yaml": PUBSPEC,
            "app/lib/main.dart": DART,
            "app/firebase.json": {"flutter": {"platforms": {}}},  # what flutterfire leaves
        }
    )
    subprocess.run(["/usr/bin/env", "true"], check=False)  # the PATH is empty: git is not there
    ran = harness("init")
    assert ran.status == 0, ran.err
    assert "Firebase project in backend" in ran.out
    assert (project.path / "backend/harness.yaml").exists()
    assert harness("verify").status in (1, 3)
    assert harness("audit").status == 0
    assert "backend-workflow.md" in harness("next").out


def test_an_app_beside_the_project_is_read_and_noticed(
    make: Make, harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git = shutil.which("git", path="/usr/bin:/usr/local/bin:/bin")
    if git is None:
        pytest.skip("no git where it usually is")
    (tmp_path / "bin/git").symlink_to(git)
    project = make(
        {
            "backend/firebase.json": FIRESTORE,
            "backend/firestore.rules": CLOSED,
            "backend/firestore.indexes.json": INDEXES,
            "backend/workflow/feature.md": "- [ ] Integration testing with Flutter frontend\n",
            "app/pubspec.yaml": PUBSPEC,
            "app/lib/main.dart": DART.replace(".orderBy('at', descending: true)", ""),
        }
    )
    subprocess.run(["git", "init", "--quiet"], check=True, cwd=project.path)
    assert harness("init").status == 0
    assert "flutter: ../app" in project.read("backend/harness.yaml")
    assert "PROJECT: backend" in project.read(CI)
    project.write(
        "backend/checks/test_flutter_app.py",
        project.read("backend/checks/test_flutter_app.py")
        .partition("def test_the_app_may")[0]
        .replace(
            project.read("backend/checks/test_flutter_app.py").split("\n\n")[3],
            'pytestmark = pytest.mark.workflow("Integration testing with Flutter frontend")',
        ),
    )
    harness("verify")
    assert project.read("backend/workflow/feature.md").startswith("- [x] Integration")
    assert harness("audit").status == 0
    project.write("app/lib/main.dart", DART)
    ran = harness("audit")
    assert ran.status == 1
    assert "../app/lib/ has changed since it was verified" in ran.out


def test_of_several_projects_one_is_to_be_chosen(make: Make, harness: Harness) -> None:
    project = make(
        {
            "apps/shop/firebase.json": FIRESTORE,
            "apps/shop/firestore.rules": CLOSED,
            "apps/shop/firestore.indexes.json": INDEXES,
            "apps/chat/firebase.json": {"hosting": {"public": "web"}},
        }
    )
    ran = harness("init")
    assert ran.status == 2
    assert "2 Firebase projects are below ." in ran.err
    assert "harness init apps/chat\n" in ran.err
    assert "harness init apps/shop\n" in ran.err
    assert "2 Firebase" not in harness("init", "apps/shop").err
    assert (project.path / "apps/shop/checks/test_security_rules.py").exists()
    ran = harness("verify")
    assert ran.status == 2
    assert "several Firebase projects" in ran.err
    assert harness("verify", "--project", "apps/shop").status in (1, 3)


def test_a_project_inside_another_is_named(make: Make, harness: Harness) -> None:
    make(
        {
            "firebase.json": {"flutter": {}, **FIRESTORE},  # what `firebase init` adds to an app's
            "firestore.rules": CLOSED,
            "firestore.indexes.json": INDEXES,
            "firebase/firebase.json": {"functions": {"source": "functions"}},
            "packages/ui/firebase.json": {"flutter": {}},
        }
    )
    ran = harness("init")
    assert ran.status == 0
    assert "! firebase/firebase.json is another project: harness init firebase\n" in ran.out
    assert "packages/ui" not in ran.out


def test_hosting_alone_has_nothing_to_check(make: Make, harness: Harness) -> None:
    project = make({"firebase.json": {"hosting": {"public": "web"}}})
    ran = harness("init")
    assert ran.status == 0
    assert not (project.path / "checks").exists()
    ran = harness("verify")
    assert ran.status == 1
    assert "nothing is verified without checks" in ran.err


def test_half_finished_rules_are_said_and_nothing_is_verified(make: Make, harness: Harness) -> None:
    project = make(
        {
            "firebase.json": FIRESTORE,
            "firestore.rules": CLOSED.replace("allow get: if true;", "allow get: if"),
            "firestore.indexes.json": INDEXES,
        }
    )
    ran = harness("init")
    assert ran.status == 0
    assert "! firestore.rules:9:" in ran.out
    assert "PUBLIC = set()" in project.read("checks/test_security_rules.py")
    ran = harness("verify")
    assert ran.status == 2
    assert "firestore.rules:9:" in ran.err
    assert "[x]" not in project.read("workflow/backend-workflow.md")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"functions/package.json": "{}", "functions/package-lock.json": "{}"},
            "functions in functions lack their packages: npm ci (in functions)",
        ),
        (
            {"functions/package.json": "{}", "functions/tsconfig.json": "{}"},
            "functions in functions lack their packages: npm install (in functions)",
        ),
        (
            {"functions/main.py": "", "functions/requirements.txt": ""},
            "functions in functions lack their packages: python3 -m venv venv && "
            "venv/bin/pip install -r requirements.txt (in functions)",
        ),
    ],
    ids=["JavaScript", "TypeScript", "Python"],
)
def test_functions_without_their_packages_are_told_how_to_get_them(
    make: Make, harness: Harness, files: dict[str, str], said: str
) -> None:
    config = {**FIRESTORE, "functions": {"source": "functions"}}
    project = make(
        {
            "firebase.json": config,
            "firestore.rules": CLOSED,
            "firestore.indexes.json": INDEXES,
            **files,
        }
    )
    ran = harness("init")
    assert ran.status == 0
    assert said in ran.out
    checks_are_sound(project.path / "checks")
    assert "def test_every_function_is_loaded" in project.read("checks/test_emulator_suite.py")
    ran = harness("verify")  # without Node: the rules are tried, functions are not verified
    assert ran.status == 3
    assert "Node is not installed" in ran.out
    assert "- [ ] Test Cloud Functions" in project.read("workflow/backend-workflow.md")


@pytest.mark.parametrize(
    ("files", "words", "said"),
    [
        ({"README.md": ""}, [], "no firebase.json in ., below or above it"),
        ({"README.md": ""}, ["nowhere"], "there is no folder nowhere"),
        ({"firebase.json": "{"}, [], "firebase.json:1:"),
        ({"firebase.json": FIRESTORE, "harness.yaml": "check: x\n"}, [], 'did you mean "checks"?'),
        ({"firebase.json": FIRESTORE, "checks": "a file"}, [], "checks"),
    ],
)
def test_what_cannot_be_set_up_is_an_error_that_mends(
    make: Make, harness: Harness, files: dict[str, object], words: list[str], said: str
) -> None:
    make(files)
    ran = harness("init", *words)
    assert ran.status == 2
    assert said in ran.err
    assert "fix: " in ran.err


def test_what_firebase_json_names_now_is_asked_for_and_not_what_it_named_then(
    make: Make, harness: Harness
) -> None:
    tick = "- [x] Review file structure requirements"
    files = {
        "firebase.json": FIRESTORE,
        "firestore.rules": CLOSED,
        "firestore.indexes.json": INDEXES,
        "workflow/feature.md": "- [ ] Review file structure requirements\n",
    }
    project = make(files)
    assert harness("init").status == 0
    harness("verify")
    assert tick in project.read("workflow/feature.md")

    database = {**FIRESTORE, "database": {"rules": "database.rules.json"}}
    project.write("firebase.json", json.dumps(database))
    assert "firebase.json has changed" in harness("audit").out
    ran = harness("verify")
    assert tick not in project.read("workflow/feature.md")
    assert "names what is not there, or empty: database.rules.json" in " ".join(ran.out.split())

    project.write("database.rules.json", "{}")
    harness("verify")
    assert tick in project.read("workflow/feature.md")
    (project.path / "database.rules.json").unlink()
    assert "database.rules.json" in harness("audit").out


def test_open_rules_are_said_with_their_place(make: Make, harness: Harness) -> None:
    make(
        {
            "firebase.json": FIRESTORE,
            "firestore.rules": CLOSED.replace("allow get: if true;", "allow read, write: if true;"),
            "firestore.indexes.json": INDEXES,
        }
    )
    harness("init")
    said = " ".join(harness("verify").out.split())
    assert "AssertionError: firestore.rules:8:7: anyone may get, list, create, update" in said


def test_gitlab_gets_its_own_file(make: Make, harness: Harness) -> None:
    project = make({"firebase.json": FIRESTORE, ".gitlab-ci.yml": "stages: [test]\n"})
    ran = harness("init")
    assert "include: [{local: .gitlab/harness.yml}]" in ran.out
    assert yaml.safe_load(project.read(".gitlab/harness.yml"))["variables"]["PROJECT"] == "."
    assert not (project.path / CI).exists()
