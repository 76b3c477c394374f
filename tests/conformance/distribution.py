"""Fetches the published source distribution whose system tests are run, and what they import.

Everything goes below one folder that git ignores; what is there already is not fetched again.
Nothing of it is part of this project. Must not live here: how its tests are run (`run.py`).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

from harness.errors import ConfigError, EnvironmentLacking

PACKAGE = "google-cloud-firestore"
FETCH_LIMIT_S = 300
_SHOWN_LINES = 6


def pinned_version(constraints: str, package: str = PACKAGE) -> str:
    """Return the version that a constraints file pins a package to.

    Raises:
        ConfigError: It pins none.
    """
    found = re.search(rf"^{re.escape(package)}==(\S+)$", constraints, re.MULTILINE)
    if found is None:
        raise ConfigError(
            f"constraints.txt does not pin {package}", fix=f"add a line {package}==VERSION"
        )
    return found[1]


def fetch_system_tests(folder: Path, version: str) -> Path:
    """Return the folder of the system tests of one version, fetched by package name if need be.

    Raises:
        EnvironmentLacking: The registry cannot be reached, or the archive holds no system tests.
    """
    archive = folder / f"{PACKAGE.replace('-', '_')}-{version}.tar.gz"
    if not archive.exists():
        _pip(
            "download",
            *("--no-binary", ":all:", "--no-deps", "--dest", str(folder)),
            f"{PACKAGE}=={version}",
        )
    tests = folder / archive.name.removesuffix(".tar.gz") / "tests" / "system"
    if not tests.exists():
        with tarfile.open(archive) as opened:
            # "data" refuses absolute paths, `..`, links that lead out, devices.
            opened.extractall(folder, filter="data")
    if not (tests / "test_system.py").exists():
        raise EnvironmentLacking(
            f"the source distribution of {PACKAGE} {version} holds no system tests",
            fix="name a version that has them in constraints.txt",
        )
    return tests


def fetch_test_packages(folder: Path, requirements: Path) -> Path:
    """Return a folder for PYTHONPATH with what the system tests import and this project does not.

    Raises:
        EnvironmentLacking: The registry cannot be reached.
    """
    packages, wanted = folder / "packages", requirements.read_text(encoding="utf-8")
    stamp = packages / "requirements.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        _pip(
            "install",
            *("--no-deps", "--upgrade", "--target", str(packages)),
            *("--requirement", str(requirements)),
        )
        stamp.write_text(wanted, encoding="utf-8")
    return packages


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentLacking(
            f"pip {arguments[0]} took more than {FETCH_LIMIT_S} s", fix="try again"
        ) from error
    if run.returncode:
        said = "".join(f"\n  | {line}" for line in run.stderr.splitlines()[-_SHOWN_LINES:])
        raise EnvironmentLacking(
            f"pip {arguments[0]} failed{said}", fix="see that the package registry can be reached"
        )
