"""Storage, and the users of the Auth emulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.emulators.auth import AuthUser
    from harness.emulators.storage import StorageEmulator
    from harness.pytest_plugin.context import CheckContext


@pytest.fixture
def auth_user(harness_check: CheckContext) -> Callable[..., AuthUser]:
    """A function that creates a user in the Auth emulator and signs in as that user."""
    from harness.emulators.auth import AuthEmulator

    harness_check.address("auth")
    auth = AuthEmulator(harness_check.endpoints)
    auth.clear()

    def signed_in(
        uid: str | None = None,
        *,
        email: str | None = None,
        password: str | None = None,
        claims: Mapping[str, Any] | None = None,
        email_verified: bool = False,
    ) -> AuthUser:
        local_id = auth.create_user(
            uid, email=email, password=password, claims=claims, email_verified=email_verified
        )
        return auth.sign_in(email, password) if email else auth.sign_in_as(local_id)

    return signed_in


@pytest.fixture
def harness_storage(harness_suite_project: CheckContext) -> Callable[..., StorageEmulator]:
    """From a token to Storage as its bearer; from here on there are no files."""
    from harness.emulators.storage import StorageEmulator
    from harness.emulators.tokens import ADMIN_TOKEN

    harness_suite_project.address("storage")
    StorageEmulator(harness_suite_project.endpoints, token=ADMIN_TOKEN).clear()

    def storage_of(token: str | None) -> StorageEmulator:
        return StorageEmulator(harness_suite_project.endpoints, token=token)

    return storage_of


@pytest.fixture
def storage_admin(harness_storage: Callable[..., StorageEmulator]) -> StorageEmulator:
    """Storage with rules bypassed."""
    from harness.emulators.tokens import ADMIN_TOKEN

    return harness_storage(ADMIN_TOKEN)


@pytest.fixture
def storage_as(
    harness_suite_project: CheckContext, harness_storage: Callable[..., StorageEmulator]
) -> Callable[..., StorageEmulator]:
    """A function from a uid (or AuthUser) and claims to Storage as that user."""

    def storage_of(uid: str | AuthUser, /, **claims: Any) -> StorageEmulator:
        return harness_storage(harness_suite_project.token(uid, claims))

    return storage_of


@pytest.fixture
def storage_unauthenticated(harness_storage: Callable[..., StorageEmulator]) -> StorageEmulator:
    """Storage as someone who is not signed in."""
    return harness_storage(None)
