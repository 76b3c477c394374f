"""Closures that read: frame slots, captures, `request`, `resource` and members of values.

The compiler picks one of these for a name or member. The direct ones (`request.auth.uid`,
`resource.data.f`) exist because nearly every rule reads those, and they need not make maps of the
request first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.rules import operators, request_values
from harness.rules.request import RulesResource
from harness.rules.runtime import (
    UNKNOWN_SEGMENT,
    UNRESOLVED,
    EvaluationContext,
    LetFailure,
    RulesError,
    Unresolved,
    located,
    null_value,
)
from harness.rules.scope import Capture
from harness.rules.values import RulesPath, RulesValue
from harness.source import Span

if TYPE_CHECKING:
    from harness.rules.compiler import Evaluator


def slot_reader(slot: int, may_have_failed: bool) -> Evaluator:
    """Read a parameter or a let from the frame of the function that runs."""
    if not may_have_failed:
        return lambda context: context.frame[slot]

    def let_reader(context: EvaluationContext) -> RulesValue:
        value: Any = context.frame[slot]
        if type(value) is LetFailure:
            raise value.error
        return value  # type: ignore[no-any-return]

    return let_reader


def capture_reader(capture: Capture, span: Span) -> Evaluator:
    """Read what a wildcard of the match pattern stands for; null where a list leaves it open."""
    index = capture.index
    if capture.recursive:

        def recursive_capture(context: EvaluationContext) -> RulesValue:
            segments = context.path[index : index + 1 + context.shift]
            if UNKNOWN_SEGMENT in segments and any(each is UNKNOWN_SEGMENT for each in segments):
                raise null_value(span)
            return RulesPath(segments)

        return recursive_capture
    if capture.behind_recursive:

        def shifted_capture(context: EvaluationContext) -> RulesValue:
            segment = context.path[index + context.shift]
            if segment is UNKNOWN_SEGMENT:
                raise null_value(span)
            return segment

        return shifted_capture

    def capture_reader(context: EvaluationContext) -> RulesValue:
        segment = context.path[index]
        if segment is UNKNOWN_SEGMENT:
            raise null_value(span)
        return segment

    return capture_reader


def resource_reader(span: Span) -> Evaluator:
    """Read `resource`."""

    def resource(context: EvaluationContext) -> RulesValue:
        value = context.resource
        if value is UNRESOLVED:
            raise Unresolved("", span)
        return request_values.resource_value(value)

    return resource


def resource_data_reader(span: Span) -> Evaluator:
    """Read `resource.data`."""
    read_resource = resource_reader(span)

    def resource_data(context: EvaluationContext) -> RulesValue:
        resource = context.resource
        if type(resource) is RulesResource:
            return request_values.plain_map(resource.data)
        try:
            return operators.member(read_resource(context), "data")
        except RulesError as error:
            located(error, span)
            raise

    return resource_data


def resource_field_reader(name: str, resource_span: Span, data_span: Span) -> Evaluator:
    """Read `resource.data.name`."""
    read_data = resource_data_reader(resource_span)

    def resource_field(context: EvaluationContext) -> RulesValue:
        resource = context.resource
        if type(resource) is RulesResource:
            data = resource.data
            if name in data:
                return data[name]
        try:
            return operators.member(read_data(context), name)
        except RulesError as error:
            located(error, data_span)
            raise

    return resource_field


def new_resource_data_reader(span: Span) -> Evaluator:
    """Read `request.resource.data`."""

    def new_resource_data(context: EvaluationContext) -> RulesValue:
        resource = context.request.new_resource
        if type(resource) is RulesResource and request_values.has_new_resource(context):
            return request_values.plain_map(resource.data)
        try:
            return operators.member(request_values.new_resource_value(context), "data")
        except RulesError as error:
            located(error, span)
            raise

    return new_resource_data


def request_member_reader(
    read: Callable[[EvaluationContext], RulesValue] | str, span: Span
) -> Evaluator:
    """Read a member of `request` by its function; a str names one that never exists."""
    if isinstance(read, str):
        missing = read

        def no_member(context: EvaluationContext) -> RulesValue:
            raise located(request_values.undefined(missing), span)

        return no_member

    def request_member(context: EvaluationContext) -> RulesValue:
        try:
            return read(context)
        except RulesError as error:
            located(error, span)
            raise

    return request_member


def auth_test(is_wanted: bool) -> Evaluator:
    """Compare `request.auth` with null, without making a map of it."""
    if is_wanted:
        return lambda context: context.request.auth is not None
    return lambda context: context.request.auth is None


def auth_member_reader(name: str, span: Span) -> Evaluator:
    """Read `request.auth.uid` or `request.auth.token`."""
    if name == "uid":

        def auth_uid(context: EvaluationContext) -> RulesValue:
            auth = context.request.auth
            if auth is None:
                raise null_value(span)
            return auth.uid

        return auth_uid

    def auth_token(context: EvaluationContext) -> RulesValue:
        auth = context.request.auth
        if auth is None:
            raise null_value(span)
        return request_values.plain_map(auth.token)

    return auth_token


def member_reader(receiver: Evaluator, name: str, span: Span) -> Evaluator:
    """Read a member of any value."""

    def member(context: EvaluationContext) -> RulesValue:
        value = receiver(context)
        if type(value) is dict and name in value:
            return value[name]
        try:
            return operators.member(value, name)
        except RulesError as error:
            located(error, span)
            raise

    return member
