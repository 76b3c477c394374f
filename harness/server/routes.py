"""Which HTTP request goes where: control routes, REST, what browsers ask first, and what is not
supported.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from http import HTTPStatus

from harness.errors import StatusCode, StatusError
from harness.server.admin import AdminApi
from harness.server.bounds import payload_too_large
from harness.server.function_processes import FunctionProcesses
from harness.server.http import HttpRequest, HttpResponse
from harness.server.rest import RestApi, error_response
from harness.server.shell import RequestHeaders, count_sent
from harness.server.web_channel import WebChannels

logger = logging.getLogger(__name__)

_API = re.compile(r"/v1(?:beta1)?/")
_METHODS = "DELETE,GET,HEAD,PATCH,POST,PUT"


@dataclass(slots=True)
class HttpRoutes:
    """The handler of every HTTP/1.1 request.

    Args:
        functions: Tells which function a connection comes from; None: there are no functions.
        max_request_bytes: Of a request to the API; None: what the transport takes.
    """

    admin: AdminApi
    rest: RestApi
    channels: WebChannels
    functions: FunctionProcesses | None = None
    max_request_bytes: int | None = None

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request; never raises for what a client did."""
        if request.method == "OPTIONS":
            return _with_cors(HttpResponse(200), request)
        try:
            response = await self._answer(request)
        except StatusError as error:
            response = error_response(error)
        except Exception:  # the RPC boundary: the client gets a status, the log the traceback
            logger.exception("%s %s failed", request.method, request.path)
            response = error_response(
                StatusError(
                    StatusCode.INTERNAL,
                    "the request failed inside the embedded Firestore; see its log",
                )
            )
        return _with_cors(response, request)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        is_metered = _API.match(request.path) is not None
        functions = self.functions if is_metered else None
        source = request.headers.get("x-harness-source")
        headers = RequestHeaders(
            request.headers.get("authorization"),
            request.headers.get("x-harness-caller"),
            # What says a line of a check comes from that check.
            function=functions.function_of(request.peer) if functions and not source else None,
            source=source,
        )
        most = self.max_request_bytes
        if most is not None and len(request.body) > most and _is_api(self, request.path):
            raise payload_too_large(most)
        if is_metered:
            found = await self.rest.handle(request, headers)
            if found is not None and found.status == HTTPStatus.OK:
                count_sent(len(found.body))
        elif self.channels.is_for(request.path):
            return await self.channels.handle(request)
        else:
            headers.caller()  # not needed, but a malformed token is refused here too
            found = await self.admin.handle(request)
        return found or HttpResponse(404, b"Not Found\n", "text/plain; charset=utf-8")


def _is_api(routes: HttpRoutes, path: str) -> bool:
    return _API.match(path) is not None or routes.channels.is_for(path)


def _with_cors(response: HttpResponse, request: HttpRequest) -> HttpResponse:
    """Let any page of the browser read the answer. Source: observed: emulator 1.22.0."""
    origin = request.headers.get("origin")
    if origin is None:
        return response
    headers = [
        ("access-control-allow-origin", origin),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", _METHODS),
    ]
    wanted = request.headers.get("access-control-request-headers")
    if request.method == "OPTIONS":
        if wanted is not None:
            headers.append(("access-control-allow-headers", wanted))
        if request.headers.get("access-control-request-private-network"):
            headers.append(("access-control-allow-private-network", "true"))
    return replace(response, headers=(*response.headers, *headers))
