"""The Flutter app beside a back end: where its Dart code is, and what it asks of Firebase."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from harness.errors import ConfigError, EnvironmentLacking
from harness.files import read_text_file
from harness.flutter.contract import ClientContract
from harness.flutter.dart import DartFile, parse_dart
from harness.flutter.reader import read_contract
from harness.source import SourceText
from harness.yaml_settings import YamlReader

_PUBSPEC = "pubspec.yaml"
_SERVICES = {
    "cloud_firestore": "firestore",
    "cloud_functions": "functions",
    "firebase_auth": "auth",
    "firebase_database": "database",
    "firebase_storage": "storage",
}
"""FlutterFire's packages, by the services that the suite has emulators of."""
_SKIPPED_FOLDERS = frozenset({"build", "node_modules", "ios", "android", "venv"})
_MAX_DEPTH = 4
_MAX_FILES = 5_000


def read_client_contract(project: Path, flutter_folder: str | None = None) -> ClientContract:
    """Read what the app's code under `lib/` asks of Firebase.

    Args:
        project: The folder that holds firebase.json; positions are relative to it.
        flutter_folder: From there, the app's folder; by default the one that has a pubspec.yaml.
    Raises:
        EnvironmentLacking: There is no Flutter app.
        ConfigError: `flutter_folder` holds none, or there are several and none was chosen.
    """
    app = find_flutter_folder(project, flutter_folder)
    return read_contract(_dart_files(project, app / "lib"))


def find_flutter_folder(project: Path, flutter_folder: str | None = None) -> Path:
    """Return the folder of the Flutter app."""
    if flutter_folder is not None:
        chosen = project / flutter_folder
        if not (chosen / "lib").is_dir():
            raise ConfigError(
                f"there is no Flutter app in {chosen}: it has no lib folder",
                fix="correct `flutter` in harness.yaml",
            )
        return chosen
    apps = flutter_folders(project)
    if not apps:
        raise EnvironmentLacking(
            f"no Flutter app was found below {project}",
            fix="name its folder as `flutter` in harness.yaml",
        )
    if len(apps) > 1:
        names = ", ".join(os.path.relpath(app, project) for app in apps)
        raise ConfigError(
            f"there are several Flutter apps: {names}",
            fix="choose one with `flutter` in harness.yaml",
        )
    return apps[0]


def flutter_folders(project: Path) -> list[Path]:
    """Return the folders of the Flutter apps in a project."""
    found = [path for path in (project, *_folders_below(project)) if (path / _PUBSPEC).is_file()]
    apps = [path for path in found if (path / "lib").is_dir()]
    # A package's example/ is about the package: it is not another app of the project.
    return [app for app in apps if app.name != "example" or app.parent not in apps]


def app_services(project: Path, flutter_folder: str | None = None) -> dict[str, str]:
    """Return the services that the app speaks to, by their names in firebase.json, each with the
    package that does: `{"firestore": "cloud_firestore"}`. Nothing without an app.

    Raises:
        ConfigError: Its pubspec.yaml is not YAML, or which app is meant is not clear.
    """
    try:
        source = read_text_file(find_flutter_folder(project, flutter_folder) / _PUBSPEC)
    except EnvironmentLacking:
        return {}
    reader = YamlReader(source)
    root = reader.root()
    entries = {} if root is None else reader.mapping(root, _PUBSPEC)
    node = entries.get("dependencies")
    packages = {} if node is None or reader.is_null(node) else reader.mapping(node, "dependencies")
    return {service: package for package, service in _SERVICES.items() if package in packages}


def _dart_files(project: Path, lib: Path) -> Iterator[DartFile]:
    paths = sorted(lib.rglob("*.dart"))
    if len(paths) > _MAX_FILES:
        raise ConfigError(
            f"{len(paths):,} Dart files below {lib} are too many",
            fix="name a smaller `flutter` in harness.yaml",
        )
    for path in paths:
        text = read_text_file(path).text
        # The app may lie beside the folder of firebase.json.
        name = Path(os.path.relpath(path, project)).as_posix()
        yield parse_dart(SourceText(name, text))


def _folders_below(folder: Path, depth: int = 1) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.name in _SKIPPED_FOLDERS or not entry.is_dir():
            continue
        if entry.is_symlink():
            continue
        yield entry
        if depth < _MAX_DEPTH:
            yield from _folders_below(entry, depth + 1)
