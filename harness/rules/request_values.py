"""`request` and its members as rules values, member by member and as a whole map.

Source: Security Rules reference, `request`; which members exist for which method as measured on the
emulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.rules.request import STORAGE, Method, RulesAuth, RulesQuery, RulesResource
from harness.rules.runtime import RulesError, document_resource
from harness.rules.values import RulesPath, RulesValue

if TYPE_CHECKING:
    from harness.rules.runtime import EvaluationContext

# An Enum member is no plain str, and asking it for its value is slow.
METHOD_TEXTS: dict[Method, str] = {method: method.value for method in Method}
_WRITES = frozenset({Method.CREATE, Method.UPDATE, Method.DELETE})


def auth_value(auth: RulesAuth | None) -> RulesValue:
    """Return `request.auth`."""
    if auth is None:
        return None
    return {"uid": auth.uid, "token": plain_map(auth.token)}


def plain_map(value: Mapping[str, RulesValue]) -> dict[str, RulesValue]:
    """Return a mapping as the dict that rules values are made of."""
    return value if type(value) is dict else dict(value)


def resource_value(resource: object) -> RulesValue:
    """Return `resource` or `request.resource`: a document or object as a map, or null."""
    if resource is None:
        return None
    if isinstance(resource, RulesResource):
        return document_resource(resource.data, resource.path)
    if isinstance(resource, dict):
        return resource
    if isinstance(resource, Mapping):
        return dict(resource)
    raise TypeError(f"{type(resource).__name__} is no resource")


def has_new_resource(context: EvaluationContext) -> bool:
    """Say whether `request` has a member `resource`: in Storage always, in Firestore for writes."""
    request = context.request
    return request.method in _WRITES or request.service == STORAGE


def new_resource_value(context: EvaluationContext) -> RulesValue:
    """Return `request.resource`; null for a delete."""
    if not has_new_resource(context):
        raise undefined("resource")
    return resource_value(context.request.new_resource)


def path_value(context: EvaluationContext) -> RulesValue:
    """Return `request.path`. A collection-group query has no one path: an error."""
    request = context.request
    if request.query is not None and request.query.all_descendants:
        raise undefined("path")
    return RulesPath(request.path)


def query_value(context: EvaluationContext) -> RulesValue:
    """Return `request.query`, which only a Firestore list has."""
    request = context.request
    if request.method is not Method.LIST or request.service == STORAGE:
        raise undefined("query")
    query = request.query or RulesQuery()
    return {"limit": query.limit, "offset": query.offset, "orderBy": dict(query.order_by)}


def request_map(context: EvaluationContext) -> dict[str, RulesValue]:
    """Return `request` as a map."""
    request = context.request
    result: dict[str, RulesValue] = {
        "auth": auth_value(request.auth),
        "method": METHOD_TEXTS[request.method],
        "time": request.time,
    }
    if request.query is None or not request.query.all_descendants:
        result["path"] = path_value(context)
    if has_new_resource(context):
        result["resource"] = new_resource_value(context)
    if request.method is Method.LIST and request.service != STORAGE:
        result["query"] = query_value(context)
    return result


def undefined(name: str) -> RulesError:
    """Make the error for a member or key that a map lacks."""
    return RulesError(f"Property {name} is undefined on object.")


MEMBERS = {
    "auth": lambda context: auth_value(context.request.auth),
    "method": lambda context: METHOD_TEXTS[context.request.method],
    "time": lambda context: context.request.time,
    "path": path_value,
    "resource": new_resource_value,
    "query": query_value,
}
