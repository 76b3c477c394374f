from __future__ import annotations

import base64
import json

import pytest

from harness.backend.auth import CallerKind, classify_authorization
from harness.errors import StatusCode, StatusError


def segment(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


HEADER = segment({"alg": "none", "type": "JWT"})


def token(**claims: object) -> str:
    return f"{HEADER}.{segment(claims)}."


@pytest.mark.parametrize(
    "header", ["Bearer owner", "bearer OWNER", "Bearer ya29.abc", "BEARER YA29."]
)
def test_owner_and_access_tokens_are_administrators(header: str) -> None:
    assert classify_authorization(header).is_admin


@pytest.mark.parametrize("header", [None, "Bearer\towner"])
def test_no_header_or_one_with_a_tab_is_anonymous(header: str | None) -> None:
    assert classify_authorization(header).kind is CallerKind.ANONYMOUS


def test_a_token_without_signature_makes_a_user_with_its_claims() -> None:
    caller = classify_authorization(f"Bearer {token(sub='ana', admin=True)}")
    assert caller.kind is CallerKind.USER
    assert caller.uid == "ana"
    assert caller.claims == {"sub": "ana", "admin": True}
    assert caller.name == "user:ana"


def test_the_uid_falls_back_to_user_id() -> None:
    assert classify_authorization(f"Bearer {token(user_id='bob')}").uid == "bob"


def test_padded_base64_and_a_signature_are_accepted() -> None:
    padded = base64.urlsafe_b64encode(json.dumps({"sub": "ana"}).encode()).decode()
    assert classify_authorization(f"Bearer {HEADER}.{padded}.c2ln").uid == "ana"


@pytest.mark.parametrize(
    "claims",
    [
        # What the unit-testing library sends: expired since 1970, for every test of every app.
        # Source: firebase-js-sdk, packages/util/src/emulator.ts, createMockUserToken.
        {"iat": 0, "exp": 3600, "auth_time": 0},
        {"exp": "tomorrow"},
        {"iat": 4_102_444_800, "nbf": 4_102_444_800},
        {"aud": "another-project", "iss": "https://example.com/"},
        {"sub": "ana", "user_id": "bob"},
    ],
)
def test_no_claim_is_verified(claims: dict[str, object]) -> None:
    """Source: observed: emulator 1.22.0. A rule that cares compares request.auth.token.exp."""
    caller = classify_authorization(f"Bearer {token(**{'sub': 'ana', **claims})}")
    assert caller.uid == "ana"
    assert caller.claims == {"sub": "ana", **claims}


@pytest.mark.parametrize(
    "bad",
    [
        "Bearer abc",
        "Bearer  owner",
        "Bearer a.b",
        f"Bearer {HEADER}.{HEADER}",
        f"Bearer {HEADER}.{segment([1])}.",
        f"Bearer {segment('x')}.{segment({})}.",
        f"Bearer {HEADER}.{segment({})}.a",
        f"Bearer {HEADER}.!!!!.",
        f"Bearer {HEADER}.{segment({})}..",
        "Bearer ownerx",
    ],
)
def test_any_other_bearer_token_is_an_invalid_jwt(bad: str) -> None:
    with pytest.raises(StatusError) as error:
        classify_authorization(bad)
    assert (error.value.code, error.value.message) == (StatusCode.INVALID_ARGUMENT, "invalid jwt")


@pytest.mark.parametrize("bad", ["owner", "Basic b3duZXI=", "Bearer", "Bearerowner", ""])
def test_another_scheme_is_an_unknown_error_without_words(bad: str) -> None:
    with pytest.raises(StatusError) as error:
        classify_authorization(bad)
    assert (error.value.code, error.value.message) == (StatusCode.UNKNOWN, "")


def test_the_label_is_kept_for_the_meter() -> None:
    assert classify_authorization("Bearer owner", "nightly job").label == "nightly job"
