"""HTTP to emulators on this machine: a limit on every wait, and errors that say who failed.

Proxies and .netrc of the machine are never used.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import requests

from harness.errors import EnvironmentLacking

DEFAULT_TIMEOUT_S = 30.0


class Loopback:
    """HTTP requests to one emulator.

    Safe to use from several threads; each has its own connections.

    Args:
        name: As messages call it: "Functions emulator".
        address: `host:port`, without a scheme.
    """

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.base = f"http://{address}"
        self._local = threading.local()

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | None = None,
        params: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> requests.Response:
        """Send one request; any status is an answer.

        Raises:
            EnvironmentLacking: Nothing listens there, or there was no answer within the limit.
        """
        try:
            return self._session().request(
                method,
                self.base + path,
                headers=dict(headers or {}),
                json=json,
                data=data,
                params=dict(params) if params else None,
                timeout=timeout_s,
                allow_redirects=False,
            )
        except requests.Timeout as error:
            raise EnvironmentLacking(
                f"the {self.name} at {self.base} gave no answer to {method} {path} "
                f"within {timeout_s:g} s",
                fix="see the suite's log for what it was doing; a function may not have ended",
            ) from error
        except requests.ConnectionError as error:
            raise EnvironmentLacking(
                f"the {self.name} at {self.base} cannot be reached",
                fix="start the suite (harness emulators start), or unset the variable naming it",
            ) from error

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            self._local.session = session
        return session


def expect_ok(name: str, response: requests.Response) -> Any:
    """Return the JSON of an answer that must be a success.

    Raises:
        EnvironmentLacking: It was refused; with the emulator's own words.
    """
    if not response.ok:
        raise EnvironmentLacking(
            f"the {name} refused {response.request.method} {response.request.path_url}: "
            f"{response.status_code} {response.text.strip()[:300]}",
            fix="see the suite's log",
        )
    return response.json() if response.content else {}
