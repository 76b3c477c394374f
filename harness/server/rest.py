"""The REST form of the RPCs: paths and query parameters to request messages, response messages to
ProtoJSON.

Source: google/firestore/v1/firestore.proto, the `google.api.http` options; observed: emulator
    1.22.0.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from typing import Any

from google.protobuf import json_format

from harness.errors import StatusCode, StatusError
from harness.server.http import HttpRequest, HttpResponse, decode_path
from harness.server.proto_json import parse_message
from harness.server.rest_names import check_names, check_parameters, snake_case
from harness.server.rpcs import FirestoreRpcs, Rpc
from harness.server.shell import RequestHeaders

HTTP_STATUS = {
    StatusCode.OK: 200,
    StatusCode.CANCELLED: 499,
    StatusCode.UNKNOWN: 500,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.DEADLINE_EXCEEDED: 504,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.ABORTED: 409,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DATA_LOSS: 500,
    StatusCode.UNAUTHENTICATED: 401,
}

INVALID_PAYLOAD = "Payload isn't valid for request."

_JSON = "application/json; charset=utf-8"

_ROOT_VERBS = {
    "commit": "Commit",
    "batchGet": "BatchGetDocuments",
    "batchWrite": "BatchWrite",
    "beginTransaction": "BeginTransaction",
    "rollback": "Rollback",
    "executePipeline": "ExecutePipeline",
}
"""Verbs at the root of the documents; the database is the request's."""

_PARENT_VERBS = {
    "runQuery": "RunQuery",
    "runAggregationQuery": "RunAggregationQuery",
    "listCollectionIds": "ListCollectionIds",
    "partitionQuery": "PartitionQuery",
}
"""Verbs of the root or of a document; the path is the request's parent."""

_TURN = 100
"""Messages that are printed before others have their turn."""
_INDENTED = "\n    "

_ROOT_SEGMENTS = 5
"""`projects/P/databases/D/documents`."""


def error_response(error: StatusError) -> HttpResponse:
    """Print an error: one line, slashes escaped, as the official emulator does."""
    status = HTTP_STATUS[error.code]
    content: dict[str, Any] = {"code": status}
    if error.message:
        content["message"] = error.message
    content["status"] = error.code.name
    text = json.dumps({"error": content}, ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(status, text.replace("/", "\\/").encode("utf-8", "replace"), _JSON)


def json_response(content: Any) -> HttpResponse:
    """Print what a control route answers."""
    return HttpResponse(200, (json.dumps(content, indent=2) + "\n").encode(), _JSON)


def invalid_payload() -> StatusError:
    """Make the error for a body or parameter that is not what the method takes."""
    return StatusError(StatusCode.INVALID_ARGUMENT, INVALID_PAYLOAD)


class RestApi:
    """Answers everything below `/v1/` and `/v1beta1/`."""

    def __init__(self, rpcs: FirestoreRpcs, refuses_unknown_names: bool) -> None:
        self._rpcs = rpcs.table()
        self._refuses_unknown_names = refuses_unknown_names

    async def handle(self, request: HttpRequest, headers: RequestHeaders) -> HttpResponse | None:
        """Answer a request; None if there is no such route.

        Raises:
            StatusError: What the method answered instead.
        """
        route = self._route(request)
        if route is None:
            return None
        rpc, content = route
        message = rpc.request()
        if self._refuses_unknown_names and request.query:
            check_parameters(rpc.name, [name for name, _ in request.query])
        try:
            parse_message(content, message, ignore_unknown_fields=not self._refuses_unknown_names)
        except json_format.ParseError as error:
            if self._refuses_unknown_names:
                # The parser's own words are not production's, and change with its version.
                with contextlib.suppress(RecursionError):
                    check_names(content, message.DESCRIPTOR)
            raise invalid_payload() from error
        result = await rpc.call(message, headers)
        if rpc.name == "ListDocuments":
            return HttpResponse(200, (await _print_page(result) + "\n").encode(), _JSON)
        if not rpc.is_stream:
            return HttpResponse(200, (_print(result) + "\n").encode(), _JSON)
        printed = await _print_all(result, done=rpc.name == "RunAggregationQuery")
        return HttpResponse(200, ("[\n" + ",\n".join(printed) + "\n]").encode(), _JSON)

    def _route(self, request: HttpRequest) -> tuple[Rpc, dict[str, Any]] | None:
        segments = decode_path(request.path)[1:]
        if (
            len(segments) < _ROOT_SEGMENTS
            or segments[0] != "projects"
            or segments[2] != "databases"
            or segments[4].partition(":")[0] != "documents"
        ):
            return None
        if request.method == "POST":
            last, colon, verb = segments[-1].rpartition(":")
            if colon and (verb in _ROOT_VERBS or verb in _PARENT_VERBS):
                target = [*segments[:-1], last]
                # As the path matcher of Google's APIs has it: `documents/:runQuery` is taken too.
                while target[-1] == "":
                    del target[-1]
                return self._verb_route(target, verb, request)
        name = "/".join(segments).removesuffix("/")
        parts = segments[_ROOT_SEGMENTS:]
        lists_all = not parts or parts[-1] == ""
        if lists_all:
            parts = parts[:-1]
        is_collection = len(parts) % 2 == 1
        if request.method == "GET":
            if is_collection and not lists_all:
                parent, _, collection_id = name.rpartition("/")
                return self._list_route(parent, collection_id, request)
            if lists_all:
                return self._list_route(name, "", request)
            return self._rpcs["GetDocument"], {
                "name": _in_own_project(name, request),
                **_mask(request, "mask"),
                **_scalars(request, "transaction", "readTime"),
            }
        if request.method == "POST" and is_collection and not lists_all:
            parent, _, collection_id = name.rpartition("/")
            return self._rpcs["CreateDocument"], {
                "parent": parent,
                "collectionId": collection_id,
                "document": _body(request),
                **_mask(request, "mask"),
                **_scalars(request, "documentId"),
            }
        if request.method == "PATCH" and parts and not lists_all:
            document = _body(request)
            document["name"] = name
            return self._rpcs["UpdateDocument"], {
                "document": document,
                **_mask(request, "updateMask"),
                **_mask(request, "mask"),
                **_precondition(request),
            }
        if request.method == "DELETE" and parts and not lists_all:
            return self._rpcs["DeleteDocument"], {"name": name, **_precondition(request)}
        return None

    def _verb_route(
        self, segments: list[str], verb: str, request: HttpRequest
    ) -> tuple[Rpc, dict[str, Any]] | None:
        content = _body(request)
        if verb in _ROOT_VERBS:
            if len(segments) != _ROOT_SEGMENTS:
                return None
            content["database"] = "/".join(segments[:4])
            return self._rpcs[_ROOT_VERBS[verb]], content
        content["parent"] = "/".join(segments)
        return self._rpcs[_PARENT_VERBS[verb]], content

    def _list_route(
        self, parent: str, collection_id: str, request: HttpRequest
    ) -> tuple[Rpc, dict[str, Any]]:
        return self._rpcs["ListDocuments"], {
            "parent": parent,
            "collectionId": collection_id,
            **_mask(request, "mask"),
            **_scalars(
                request,
                "pageSize",
                "pageToken",
                "orderBy",
                "showMissing",
                "transaction",
                "readTime",
            ),
        }


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Parse a request body that is a JSON object; an empty body is an empty object.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    if not body.strip():
        return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid_payload() from error
    if not isinstance(content, dict):
        raise invalid_payload()
    return content


def _body(request: HttpRequest) -> dict[str, Any]:
    return parse_json_object(request.body)


def _in_own_project(name: str, request: HttpRequest) -> str:
    """Return a name in the project that Storage rules ask for (`storage_rules.PROJECT`)."""
    values = request.query_values("harness-project")
    if not values:
        return name
    _, _, rest = name.split("/", 2)
    return f"projects/{values[-1]}/{rest}"


def _scalars(request: HttpRequest, *names: str) -> dict[str, Any]:
    """Return the query parameters that are set, under their names in camel case; the last one
    counts.
    """
    found: dict[str, Any] = {}
    for name in names:
        values = request.query_values(name, snake_case(name))
        if values:
            found[name] = values[-1] == "true" if name == "showMissing" else values[-1]
    return found


def _mask(request: HttpRequest, name: str) -> dict[str, Any]:
    paths = request.query_values(f"{name}.fieldPaths", f"{snake_case(name)}.field_paths")
    return {name: {"fieldPaths": paths}} if paths else {}


def _precondition(request: HttpRequest) -> dict[str, Any]:
    exists = request.query_values("currentDocument.exists", "current_document.exists")
    if exists:
        if exists[-1] not in ("true", "false"):
            raise invalid_payload()
        return {"currentDocument": {"exists": exists[-1] == "true"}}
    times = request.query_values("currentDocument.updateTime", "current_document.update_time")
    return {"currentDocument": {"updateTime": times[-1]}} if times else {}


async def _print_all(messages: Iterable[Any], *, done: bool = False) -> list[str]:
    """Print messages so that others have their turn meanwhile: it is slow."""
    printed = []
    for message in messages:
        printed.append(_print(message, done=done))
        if len(printed) % _TURN == 0:
            await asyncio.sleep(0)
    return printed


async def _print_page(page: Any) -> str:
    """Print a page of documents as `_print` would."""
    if len(page.documents) < _TURN:
        return _print(page)
    documents = [text.replace("\n", _INDENTED) for text in await _print_all(page.documents)]
    page.ClearField("documents")
    rest = _print(page).removeprefix("{\n").removesuffix("}").rstrip("\n")
    more = f",\n{rest}" if rest else ""
    return f'{{\n  "documents": [{_INDENTED}{f",{_INDENTED}".join(documents)}\n  ]{more}\n}}'


def _print(message: Any, *, done: bool = False) -> str:
    content = json_format.MessageToDict(message)
    if done:
        # Not in the published message, but the official emulator prints it here.
        content["done"] = True
    return json.dumps(content, indent=2, ensure_ascii=False) if content else "{\n}"
