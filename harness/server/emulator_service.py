"""`google.firestore.emulator.v1.FirestoreEmulator`: the control routes as gRPC, which the rules
test libraries before HTTP call (`@firebase/testing`, `@firebase/rules-unit-testing` 1.0).

Each call is turned into the request of the control route that does the same.
Source: firestore_emulator.proto and source.proto inside @firebase/testing 0.20.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from harness.errors import StatusCode, StatusError
from harness.server.rpcs import Rpc
from harness.server.shell import RequestHeaders
from harness.server.wire import pb

if TYPE_CHECKING:
    from harness.server.admin import AdminApi

_SERVICE: Final = "/google.firestore.emulator.v1.FirestoreEmulator/"
_PACKAGE: Final = "google.firestore.emulator.v1"
_FIELDS: Final[dict[str, list[tuple[str, int, str | None]]]] = {
    # Message: name, number and message of each field; None is a text.
    "File": [("content", 1, None), ("name", 2, None)],
    "Source": [("files", 1, "File")],
    "SetSecurityRulesRequest": [("project", 1, None), ("rules", 2, "Source")],
    "ClearDataRequest": [("database", 1, None)],
}


class EmulatorService:
    """The methods, over the control routes.

    Args:
        admin: Returns who answers these; asked when it is needed first.
    """

    def __init__(self, admin: Callable[[], AdminApi]) -> None:
        self._admin = admin

    def table(self) -> dict[str, Rpc]:
        """Return every method by its path."""
        messages = _messages()
        return {
            _SERVICE + name: Rpc(name, messages[f"{name}Request"], call)
            for name, call in (
                ("SetSecurityRules", self.set_security_rules),
                ("ClearData", self.clear_data),
            )
        }

    async def set_security_rules(self, request: Any, headers: RequestHeaders) -> Any:
        """Load a ruleset for a project."""
        files = [{"name": file.name, "content": file.content} for file in request.rules.files]
        body = json.dumps({"rules": {"files": files}}).encode()
        return await self._answer("PUT", f"{request.project}:securityRules", body)

    async def clear_data(self, request: Any, headers: RequestHeaders) -> Any:
        """Delete all documents of a database."""
        return await self._answer("DELETE", f"{request.database}/documents")

    async def _answer(self, method: str, path: str, body: bytes = b"") -> Any:
        from harness.server.http import HttpRequest  # not when the server starts: it costs time

        request = HttpRequest(method, f"/emulator/v1/{path}", (), {}, body)
        if await self._admin().handle(request) is None:
            raise StatusError(StatusCode.INVALID_ARGUMENT, f"{path} names nothing that can be set.")
        return pb.Empty()


def _messages() -> dict[str, Any]:
    """Make the message classes, in a pool of their own."""
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="harness/firestore_emulator.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, of in fields:
            repeated = field_type.LABEL_REPEATED if field == "files" else field_type.LABEL_OPTIONAL
            if of is None:
                kind = field_type.TYPE_STRING
                message.field.add(name=field, number=number, label=repeated, type=kind)
            else:
                message.field.add(
                    name=field,
                    number=number,
                    label=repeated,
                    type=field_type.TYPE_MESSAGE,
                    type_name=f".{_PACKAGE}.{of}",
                )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _FIELDS
    }
