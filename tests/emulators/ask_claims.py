"""Signs users in at a running Auth emulator and asks rules about their tokens; run by a test.

    python -m tests.emulators.ask_claims USERS.yaml ANSWERS.json

The answers are lists of [user, condition, status], one for each condition.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

PROJECT = os.environ.get("GCLOUD_PROJECT", "demo-claims")
AUTH = f"http://{os.environ.get('FIREBASE_AUTH_EMULATOR_HOST')}"
FIRESTORE = f"http://{os.environ.get('FIRESTORE_EMULATOR_HOST')}"
ACCOUNTS = f"{AUTH}/identitytoolkit.googleapis.com/v1/accounts"
TIMEOUT_S = 10


def call(
    url: str, body: object = None, method: str = "POST", token: str | None = None
) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def sign_in(call_name: str, body: Mapping[str, object]) -> str:
    status, answer = call(f"{ACCOUNTS}:{call_name}?key=any", {**body, "returnSecureToken": True})
    assert status == 200, answer
    return str(answer["idToken"])


# Of tokens that the Admin SDK makes for `signInWithCustomToken`.
CUSTOM_TOKEN_AUDIENCE = (
    "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"
)


def unsigned(claims: Mapping[str, object]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*encoded, b""]).decode()


def with_phone() -> str:
    number = "+15555550100"
    status, sent = call(f"{ACCOUNTS}:sendVerificationCode?key=any", {"phoneNumber": number})
    assert status == 200, sent
    _, codes = call(f"{AUTH}/emulator/v1/projects/{PROJECT}/verificationCodes", method="GET")
    code = codes["verificationCodes"][-1]["code"]
    return sign_in("signInWithPhoneNumber", {"sessionInfo": sent["sessionInfo"], "code": code})


def tokens() -> dict[str, str]:
    """Return an ID token of each user of the table."""
    claims = {"role": "editor", "level": 3, "groups": ["x", "y"], "nested": {"deep": True}}
    custom = {"uid": "custom-uid", "aud": CUSTOM_TOKEN_AUDIENCE, "claims": claims}
    google = {"sub": "google-user", "email": "gus@example.com", "email_verified": True}
    google["name"] = "Gus"
    return {
        "anonymous": sign_in("signUp", {}),
        "password": sign_in("signUp", {"email": "ana@example.com", "password": "secret-1"}),
        "custom": sign_in("signInWithCustomToken", {"token": unsigned(custom)}),
        "phone": with_phone(),
        "google": sign_in(
            "signInWithIdp",
            {
                "postBody": f"providerId=google.com&id_token={unsigned(google)}",
                "requestUri": "http://localhost",
            },
        ),
    }


def main(table_file: str, answers_file: str) -> None:
    table = yaml.safe_load(Path(table_file).read_text("utf-8"))
    questions = [
        (user, condition)
        for user, rows in table["users"].items()
        for condition in [*rows["granted"], *rows["denied"], *table["everyone"]]
    ]
    matches = "\n".join(
        f"match /q{index}/{{id}} {{ allow get: if {condition}; }}"
        for index, (_, condition) in enumerate(questions)
    )
    rules = (
        "rules_version = '2'; service cloud.firestore { match /databases/{db}/documents {\n"
        f"{matches}\n}} }}"
    )
    status, answer = call(
        f"{FIRESTORE}/emulator/v1/projects/{PROJECT}:securityRules",
        {"rules": {"files": [{"name": "firestore.rules", "content": rules}]}},
        "PUT",
    )
    assert status == 200, answer
    documents = f"{FIRESTORE}/v1/projects/{PROJECT}/databases/(default)/documents"
    by_user = tokens()
    answers = []
    for index, (user, condition) in enumerate(questions):
        # The document is missing: 404 means that the rules granted.
        status, _ = call(f"{documents}/q{index}/d", method="GET", token=by_user[user])
        answers.append([user, condition, status])
    Path(answers_file).write_text(json.dumps(answers), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
