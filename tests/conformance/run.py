"""Runs the published system tests of google-cloud-firestore against the embedded Firestore.

    python -m tests.conformance.run [--all] [--only EXPRESSION] [--seconds 600]

`make conformance`. The tests come from the package registry, in the version that constraints.txt
pins; they find the server as any client does, by FIRESTORE_EMULATOR_HOST. `--all` also runs those
that mark themselves as unable to run on an emulator; `--only` is pytest's `-k`. Exit status: 0 when
all tests pass but those skipped by their own marks and those of exceptions.yaml, else 1; 3 when the
tests cannot be fetched or run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from google.cloud.firestore_v1.vector import Vector

from harness.emulators.environment import without_credentials
from harness.emulators.firestore_alone import EmbeddedFirestore
from harness.emulators.firestore_client import firestore_client
from harness.errors import EnvironmentLacking, HarnessError
from tests.conformance.distribution import (
    PACKAGE,
    fetch_system_tests,
    fetch_test_packages,
    pinned_version,
)
from tests.conformance.outcomes import (
    Outcome,
    read_exceptions,
    read_outcomes,
    render,
    sort_out,
)

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
FETCHED = REPOSITORY / ".conformance"
PROJECT_ID = "demo-conformance"
# pytest's: all passed, some failed. Any other means that the tests did not run as they should.
_RAN = (0, 1)
_SHOWN_LINES = 15


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.run")
    parser.add_argument("--all", action="store_true", help="also what is not meant for emulators")
    parser.add_argument("--only", default="", help="pytest's -k")
    parser.add_argument("--seconds", type=float, default=600, help="the limit of the whole run")
    options = parser.parse_args(arguments)
    try:
        exceptions = read_exceptions((HERE / "exceptions.yaml").read_text(encoding="utf-8"))
        version = pinned_version((REPOSITORY / "constraints.txt").read_text(encoding="utf-8"))
        FETCHED.mkdir(exist_ok=True)
        tests = fetch_system_tests(FETCHED, version)
        packages = fetch_test_packages(FETCHED, HERE / "requirements.txt")
        with EmbeddedFirestore(PROJECT_ID, indexes=HERE / "firestore.indexes.json") as server:
            server.wait_until_ready()
            address = str(server.endpoints.firestore)
            _seed(address)
            outcomes = _run_system_tests(tests, packages, address, options)
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    report = sort_out(outcomes, exceptions)
    sys.stdout.write(f"{PACKAGE} {version}, its system tests:\n{render(report)}")
    return 0 if report.is_conformant else 1


def _seed(address: str) -> None:
    """Write what the vector search tests expect to find, as their project has it."""
    client = firestore_client(address, PROJECT_ID)
    found = client.collection("vector_search")
    found.document("doc1").set({"embedding": Vector([1.0, 2.0, 3.0]), "color": "red"})
    found.document("doc2").set({"embedding": Vector([2.0, 2.0, 3.0]), "color": "red"})
    found.document("doc3").set({"embedding": Vector([3.0, 4.0, 5.0]), "color": "yellow"})
    client.close()


def _run_system_tests(
    tests: Path, packages: Path, address: str, options: argparse.Namespace
) -> tuple[Outcome, ...]:
    with TemporaryDirectory() as folder:
        written = Path(folder, "outcomes.jsonl")
        written.touch()
        environment = {
            **without_credentials(os.environ),
            "FIRESTORE_EMULATOR_HOST": address,
            "GCLOUD_PROJECT": PROJECT_ID,
            "GOOGLE_CLOUD_PROJECT": PROJECT_ID,
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(packages)]),
            "CONFORMANCE_OUTCOMES": str(written),
            **({"CONFORMANCE_ALL": "1"} if options.all else {}),
        }
        command = [
            # -P: `google` of the unpacked distribution must not stand in for the installed one.
            *(sys.executable, "-P", "-m", "pytest", "-q", "--tb=short", str(tests)),
            *("-p", "tests.conformance.observer", "-p", "no:harness", "-p", "no:cacheprovider"),
            *("-c", os.devnull, "--rootdir", str(tests), "-k", options.only),
            # Clients are made once per file and used by all its tests: on one event loop.
            *("-o", "asyncio_default_fixture_loop_scope=module"),
            *("-o", "asyncio_default_test_loop_scope=module"),
        ]
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        try:
            said, _ = process.communicate(timeout=options.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            sys.stderr.write(f"ended after {options.seconds:g} s\n")
        else:
            if process.returncode not in _RAN:
                last = "".join(f"\n  | {line}" for line in said.splitlines()[-_SHOWN_LINES:])
                raise EnvironmentLacking(
                    f"the system tests did not run{last}", fix="correct what pytest says"
                )
        return read_outcomes(written.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
