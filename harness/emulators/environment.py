"""The environment of what the harness starts: nothing in it leads to production.

Pure functions from mapping to mapping; reading `os.environ` is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping

# Names that carry or locate credentials, or that send a client to some other project or suite.
_DROPPED = frozenset(
    {
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CREDENTIALS",
        "GOOGLE_GHA_CREDS_PATH",
        "GOOGLE_OAUTH_ACCESS_TOKEN",
        "GOOGLE_API_KEY",
        "GOOGLE_CLOUD_QUOTA_PROJECT",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES",
        "GCLOUD_PROJECT",
        "GCP_PROJECT",
        "FIREBASE_TOKEN",
        "FIREBASE_CONFIG",
        "FIREBASE_DEBUG_PATH",
        "FIREBASE_EMULATOR_HUB",
        "FIREBASE_FIRESTORE_EMULATOR_ADDRESS",
        "CLOUD_EVENTARC_EMULATOR_HOST",
        "CLOUD_TASKS_EMULATOR_HOST",
        "DATASTORE_EMULATOR_HOST",
    }
)
_DROPPED_PREFIXES = ("CLOUDSDK_",)
_DROPPED_SUFFIXES = ("_EMULATOR_HOST", "_EMULATOR_BINARY_PATH", "_EMULATOR_VERSION")
_LOOPBACK_NAMES = "127.0.0.1,localhost,::1"


def without_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without credentials and without other suites.

    What is added stops the look-ups that would find credentials elsewhere: gcloud's folder, the
    metadata server. Loopback never goes through a proxy.

    Source: Application Default Credentials, "How ADC works", search order; google-auth,
    google-auth-library.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name not in _DROPPED
        and not name.startswith(_DROPPED_PREFIXES)
        and not name.endswith(_DROPPED_SUFFIXES)
    }
    kept["CLOUDSDK_CONFIG"] = (
        "/nonexistent"  # google-auth for Python looks there for gcloud's credentials
    )
    kept["NO_GCE_CHECK"] = "true"
    kept["METADATA_SERVER_DETECTION"] = "none"
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(part for part in (environment.get(name, ""), _LOOPBACK_NAMES) if part)
    return kept
