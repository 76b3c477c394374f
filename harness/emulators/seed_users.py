"""The users of a seed file, created in the Auth emulator."""

from __future__ import annotations

from collections.abc import Iterable

from harness.emulators.auth import AuthEmulator
from harness.seeds.model import SeedUser


def create_users(auth: AuthEmulator, users: Iterable[SeedUser]) -> None:
    """Create users as an administrator does.

    Raises:
        AuthError: There is one with this uid or address, or a value is malformed.
    """
    for user in users:
        auth.create_user(
            user.uid,
            email=user.email,
            password=user.password,
            claims=dict(user.claims) or None,
            email_verified=user.email_verified,
        )
