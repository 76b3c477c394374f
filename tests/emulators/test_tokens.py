from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.emulators.tokens import id_token, mock_user_token, token_claims, unsigned_jwt

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _JSON, max_size=5))
def test_claims_survive_the_token(claims):
    token = unsigned_jwt(claims)
    assert token.endswith(".")
    assert "=" not in token
    assert token_claims(token) == claims


def test_a_password_user_has_the_claims_that_the_auth_emulator_gives():
    token = id_token(
        "alice", project_id="demo-x", now_s=1_000, email="a@x.org", claims={"role": "admin"}
    )
    assert token_claims(token) == {
        "role": "admin",
        "email": "a@x.org",
        "email_verified": False,
        "auth_time": 1_000,
        "user_id": "alice",
        "firebase": {"identities": {"email": ["a@x.org"]}, "sign_in_provider": "password"},
        "iat": 1_000,
        "exp": 4_600,
        "aud": "demo-x",
        "iss": "https://securetoken.google.com/demo-x",
        "sub": "alice",
    }


def test_a_user_without_email_address_has_signed_in_with_a_custom_token():
    claims = token_claims(id_token("bob", project_id="demo-x", now_s=0))
    assert claims["firebase"] == {"identities": {}, "sign_in_provider": "custom"}
    assert "email" not in claims


def test_an_anonymous_user_has_a_provider_id():
    claims = token_claims(
        id_token("bob", project_id="demo-x", now_s=0, sign_in_provider="anonymous")
    )
    assert claims["provider_id"] == "anonymous"


def test_custom_claims_do_not_replace_who_the_user_is():
    forged = {"sub": "mallory", "user_id": "mallory", "aud": "other"}
    claims = token_claims(id_token("bob", project_id="demo-x", now_s=0, claims=forged))
    assert (claims["sub"], claims["user_id"], claims["aud"]) == ("bob", "bob", "demo-x")


def test_a_mock_user_lives_in_1970_unless_the_claims_say_when():
    assert token_claims(mock_user_token("u", project_id="demo-x"))["exp"] == 3_600
    claims = token_claims(
        mock_user_token("u", project_id="demo-x", claims={"iat": 10, "firebase": {}, "sub": "v"})
    )
    assert (claims["iat"], claims["exp"], claims["auth_time"]) == (10, 3_610, 10)
    assert claims["firebase"] == {}
    assert claims["sub"] == "u"


def test_a_mock_user_refuses_the_uid_claim_as_the_library_does():
    with pytest.raises(ValueError, match="uid"):
        mock_user_token("u", project_id="demo-x", claims={"uid": "u"})


@pytest.mark.parametrize("token", ["", "owner", "a.b", "a.!.c", "e30.bnVsbA.", "e30.W10."])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(ValueError, match="token"):
        token_claims(token)
