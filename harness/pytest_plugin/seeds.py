"""Seed files in checks: documents into the check's databases, users into the Auth emulator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.emulators.auth import AuthEmulator
from harness.emulators.seed_users import create_users
from harness.errors import HarnessError
from harness.files import read_text_file
from harness.pytest_plugin.context import CheckContext
from harness.seeds.model import SeedFile, SeedUser
from harness.seeds.reader import parse_seed
from harness.source import SourceText


class SeedFixture:
    """Puts seeds into one check's surroundings.

    Args:
        folders: Where files are looked for.
        keeps_users: Whether the check has users of its own, which stay.
    """

    def __init__(
        self, context: CheckContext, folders: Sequence[Path], *, keeps_users: bool
    ) -> None:
        self._context = context
        self._folders = folders
        self._keeps_users = keeps_users

    def sow(self, file: str) -> None:
        """Put in what a file says, over documents of the same paths. No function hears of it."""
        __tracebackhide__ = True
        found = self._read(file)
        if isinstance(found, HarnessError):
            pytest.fail(str(found), pytrace=False)
        source, seed = found
        if seed.databases:
            self._context.firestore.sow(source)
        if seed.users:
            self._add_users(seed.users)

    def _read(self, file: str) -> tuple[SourceText, SeedFile] | HarnessError:
        try:
            source = read_text_file(self._find(file))
            return source, parse_seed(source)
        except HarnessError as error:
            return error

    def _add_users(self, users: Sequence[SeedUser]) -> None:
        __tracebackhide__ = True
        self._context.address("auth")
        auth = AuthEmulator(self._context.endpoints)
        if not self._keeps_users:
            auth.clear()
            self._keeps_users = True
        create_users(auth, users)

    def _find(self, file: str) -> Path:
        found = [folder / file for folder in self._folders if (folder / file).is_file()]
        return found[0] if found else self._folders[0] / file
