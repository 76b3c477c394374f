"""Files in the Storage emulator, as a client app sees them: rules decide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from harness.emulators.hub import SuiteEndpoints
from harness.emulators.loopback import Loopback
from harness.emulators.tokens import ADMIN_TOKEN
from harness.errors import HarnessError

_NAME = "Storage emulator"
_DENIED = (401, 403)
_BOUNDARY = "harness-upload-boundary"


class StorageDenied(Exception):
    """Rules denied the operation; a client SDK reports `storage/unauthorized`."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"storage/unauthorized: {method} {path}")
        self.path = path


class StorageObjectMissing(Exception):
    """There is no such file; a client SDK reports `storage/object-not-found`."""


class StorageRefused(HarnessError):
    """The Storage emulator refused for another reason than rules; with its own words."""


@dataclass(frozen=True, slots=True)
class StorageObject:
    """A file's metadata, as Storage gives it."""

    name: str
    bucket: str
    size_bytes: int
    content_type: str | None
    metadata: Mapping[str, str]


class StorageEmulator:
    """The Storage emulator of a suite, as one caller.

    Args:
        token: An ID token; None: not signed in; ADMIN_TOKEN: rules are bypassed.
        bucket: By default the project's default bucket.
    """

    def __init__(
        self, endpoints: SuiteEndpoints, *, token: str | None = None, bucket: str | None = None
    ) -> None:
        self.bucket = bucket or f"{endpoints.project_id}.appspot.com"
        self._connection = Loopback(_NAME, endpoints["storage"])
        self._headers = {"Authorization": f"Firebase {token}"} if token else {}
        if token == ADMIN_TOKEN:
            self._headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}

    def upload(
        self,
        path: str,
        content: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> StorageObject:
        """Write a file.

        Raises:
            StorageDenied: Rules deny it.
        Source: firebase-js-sdk, storage: multipartUpload.
        """
        about = {"name": path, "contentType": content_type, "metadata": dict(metadata or {})}
        body = b"".join(
            (
                f"--{_BOUNDARY}\r\nContent-Type: application/json; charset=utf-8\r\n\r\n".encode(),
                json.dumps(about).encode(),
                f"\r\n--{_BOUNDARY}\r\nContent-Type: {content_type}\r\n\r\n".encode(),
                content,
                f"\r\n--{_BOUNDARY}--".encode(),
            )
        )
        response = self._request(
            "POST",
            f"/v0/b/{self.bucket}/o",
            path,
            params={"name": path},
            headers={
                "X-Goog-Upload-Protocol": "multipart",
                "Content-Type": f"multipart/related; boundary={_BOUNDARY}",
            },
            data=body,
        )
        return _object(response.json())

    def download(self, path: str) -> bytes:
        """Read a file.

        Raises:
            StorageDenied: Rules deny it.
            StorageObjectMissing: Rules allow it and there is none.
        """
        return self._request("GET", self._object_path(path), path, params={"alt": "media"}).content

    def clear(self) -> None:
        """Delete every object of every bucket; no function is called for that.

        Source: firebase-tools 15.34, emulator/storage/server.ts: /internal/reset.
        """
        self._request("POST", "/internal/reset", "every object")

    def metadata(self, path: str) -> StorageObject:
        """Read a file's metadata; raises as `download` does."""
        return _object(self._request("GET", self._object_path(path), path).json())

    def delete(self, path: str) -> None:
        """Delete a file; raises as `download` does."""
        self._request("DELETE", self._object_path(path), path)

    def update_metadata(
        self,
        path: str,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> StorageObject:
        """Change a file's metadata; what is not given stays. Raises as `download` does.

        Source: firebase-js-sdk, storage: updateMetadata.
        """
        changes: dict[str, Any] = {"metadata": dict(metadata)} if metadata else {}
        if content_type is not None:
            changes["contentType"] = content_type
        response = self._request(
            "PATCH",
            self._object_path(path),
            path,
            headers={"Content-Type": "application/json; charset=utf-8"},
            data=json.dumps(changes).encode(),
        )
        return _object(response.json())

    def list(self, prefix: str = "", *, delimiter: str | None = None) -> list[str]:
        """Return the names of the files under a prefix, at any depth.

        Args:
            prefix: Empty, or ending with a slash.
            delimiter: With `/` only those directly in that folder, as client libraries ask.
        Raises:
            StorageDenied: Rules deny it.
        """
        params = {"prefix": prefix} | ({"delimiter": delimiter} if delimiter else {})
        answer = self._request("GET", f"/v0/b/{self.bucket}/o", prefix, params=params).json()
        return [item["name"] for item in answer.get("items", [])]

    def _object_path(self, path: str) -> str:
        return f"/v0/b/{self.bucket}/o/{quote(path, safe='')}"

    def _request(
        self,
        method: str,
        url: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> requests.Response:
        response = self._connection.request(
            method, url, params=params, headers={**self._headers, **(headers or {})}, data=data
        )
        if response.status_code in _DENIED:
            raise StorageDenied(method, path)
        if response.status_code == 404:
            raise StorageObjectMissing(path)
        if not response.ok:
            raise StorageRefused(
                f"the {_NAME} refused {method} {path}: {response.status_code} "
                f"{response.text[:300]}",
                fix="see the suite's log",
            )
        return response


def _object(answer: Mapping[str, Any]) -> StorageObject:
    return StorageObject(
        name=str(answer["name"]),
        bucket=str(answer["bucket"]),
        size_bytes=int(answer.get("size", 0)),
        content_type=answer.get("contentType"),
        metadata=dict(answer.get("metadata") or {}),
    )
