"""The Flutter app beside a back end is found, and its code is read."""

from pathlib import Path

import pytest

from harness.errors import ConfigError, EnvironmentLacking
from harness.flutter_project import app_services, find_flutter_folder, read_client_contract

DART = "void f(db) { db.collection('groups').limit(5).get(); }"


def make_app(folder: Path) -> Path:
    (folder / "lib").mkdir(parents=True)
    (folder / "pubspec.yaml").write_text("name: app\n")
    (folder / "lib" / "main.dart").write_text(DART)
    return folder


def test_the_app_is_found_by_its_pubspec(tmp_path: Path) -> None:
    app = make_app(tmp_path / "clients" / "app")
    make_app(tmp_path / "node_modules" / "package")
    assert find_flutter_folder(tmp_path) == app


def test_uses_are_placed_relative_to_the_project(tmp_path: Path) -> None:
    make_app(tmp_path / "app")
    (query,) = read_client_contract(tmp_path).queries
    assert str(query.position) == "app/lib/main.dart:1:47"


def test_no_app_is_said(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacking, match="no Flutter app"):
        read_client_contract(tmp_path)


def test_several_apps_must_be_told_apart(tmp_path: Path) -> None:
    make_app(tmp_path / "admin")
    make_app(tmp_path / "customer")
    with pytest.raises(ConfigError, match="admin, customer"):
        read_client_contract(tmp_path)
    assert read_client_contract(tmp_path, "admin").queries


def test_the_example_of_a_package_is_not_another_app(tmp_path: Path) -> None:
    make_app(tmp_path)
    make_app(tmp_path / "example")
    assert find_flutter_folder(tmp_path) == tmp_path


def test_an_app_beside_the_back_end_can_be_chosen(tmp_path: Path) -> None:
    make_app(tmp_path)
    (tmp_path / "firebase").mkdir()
    (query,) = read_client_contract(tmp_path / "firebase", "..").queries
    assert query.position.file_name == "../lib/main.dart"


def test_a_chosen_folder_without_an_app_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no lib folder"):
        read_client_contract(tmp_path, "app")


def test_an_app_speaks_to_the_services_of_its_packages(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "pubspec.yaml").write_text(
        "name: app\n"
        "dependencies:\n"
        "  cloud_firestore: ^5.0.0\n"
        "  firebase_auth: {git: example}\n"
        "  firebase_core:\n"
        "dev_dependencies: {firebase_storage: any}\n"
    )
    assert app_services(tmp_path) == {"firestore": "cloud_firestore", "auth": "firebase_auth"}


@pytest.mark.parametrize("pubspec", ["", "name: app\n", "dependencies:\n"])
def test_an_app_without_packages_speaks_to_nothing(tmp_path: Path, pubspec: str) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "pubspec.yaml").write_text(pubspec)
    assert app_services(tmp_path) == {}


def test_without_an_app_nothing_is_spoken_to(tmp_path: Path) -> None:
    assert app_services(tmp_path) == {}
