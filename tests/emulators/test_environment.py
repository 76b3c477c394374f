from __future__ import annotations

import pytest

from harness.emulators.environment import without_credentials


@pytest.mark.parametrize(
    "name",
    [
        "GOOGLE_APPLICATION_CREDENTIALS",
        "FIREBASE_TOKEN",
        "CLOUDSDK_AUTH_ACCESS_TOKEN",
        "GOOGLE_CLOUD_PROJECT",
        "GCLOUD_PROJECT",
        "FIREBASE_CONFIG",
        "FIREBASE_EMULATOR_HUB",
        "FIRESTORE_EMULATOR_HOST",
        "FIREBASE_STORAGE_EMULATOR_HOST",
        "PUBSUB_EMULATOR_HOST",
        "FIRESTORE_EMULATOR_BINARY_PATH",
    ],
)
def test_what_leads_to_production_or_to_another_suite_is_dropped(name):
    assert name not in without_credentials({name: "x"})


def test_everything_else_is_kept():
    kept = without_credentials({"PATH": "/bin", "LANG": "C", "MY_FLAG": "1"})
    assert (kept["PATH"], kept["LANG"], kept["MY_FLAG"]) == ("/bin", "C", "1")


def test_look_ups_of_credentials_find_nothing():
    kept = without_credentials({"CLOUDSDK_CONFIG": "/home/me/.config/gcloud"})
    assert kept["CLOUDSDK_CONFIG"] != "/home/me/.config/gcloud"
    assert kept["NO_GCE_CHECK"] == "true"
    assert kept["METADATA_SERVER_DETECTION"] == "none"


def test_loopback_never_goes_through_a_proxy():
    kept = without_credentials({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "intranet"})
    assert kept["NO_PROXY"] == "intranet,127.0.0.1,localhost,::1"
    assert kept["no_proxy"] == "127.0.0.1,localhost,::1"
