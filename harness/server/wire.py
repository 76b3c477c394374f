"""Protobuf messages to core values and back: values, documents, writes, queries. Nothing is decided
here.

The hot path of the server: one dictionary look-up a value, no classes in between. Message types are
    `Any`, since the
classes are made at run time (`messages.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harness.backend.requests import LATEST, Consistency, ExplainMetrics, TransactionOptions
from harness.errors import StatusCode, StatusError
from harness.firestore.documents import (
    CommitResult,
    DocumentSnapshot,
    FieldTransform,
    Precondition,
    TransformKind,
    Write,
    WriteKind,
    WriteResult,
)
from harness.firestore.paths import (
    DatabaseName,
    FieldPath,
    ResourcePath,
    document_name,
    parse_document_name,
    parse_field_path,
)
from harness.firestore.query import (
    Aggregation,
    AggregationKind,
    CompositeFilter,
    CompositeOperator,
    Cursor,
    Direction,
    FieldFilter,
    Filter,
    FindNearest,
    Operator,
    Order,
    StructuredQuery,
)
from harness.firestore.transactions import Concurrency
from harness.firestore.values import Fields, GeoPoint, Reference, Timestamp, Value, Vector
from harness.server.messages import load_messages

pb = load_messages()
"""The message classes by their short names."""

_MICROS = 1_000_000


def invalid(message: str) -> StatusError:
    """Make the error for a request that no state of the database could make right."""
    return StatusError(StatusCode.INVALID_ARGUMENT, message)


# --- values, from the wire ------------------------------------------------------------------------


def value_from_proto(message: Any) -> Value:
    """Return the value that a `Value` message holds. A message without any is null.

    Raises:
        StatusError: INVALID_ARGUMENT for a reference that is no document name.
    """
    return _DECODERS[message.WhichOneof("value_type")](message)


def fields_from_proto(fields: Mapping[str, Any]) -> Fields:
    """Return a map of `Value` messages as core values."""
    decoders = _DECODERS
    # `fields.items()` of a message's map is a generator in Python: twice as slow.
    return {
        name: decoders[(value := fields[name]).WhichOneof("value_type")](value) for name in fields
    }


def timestamp_from_proto(message: Any) -> Timestamp:
    """Return a time, cut down to whole microseconds."""
    return Timestamp(message.seconds * _MICROS + message.nanos // 1000)


def _array_from_proto(message: Any) -> Value:
    decoders = _DECODERS
    return tuple(
        decoders[value.WhichOneof("value_type")](value) for value in message.array_value.values
    )


def _map_from_proto(message: Any) -> Value:
    fields = message.map_value.fields
    if "__type__" in fields:
        vector = _vector_from_proto(fields)
        if vector is not None:
            return vector
    return fields_from_proto(fields)


def _vector_from_proto(fields: Mapping[str, Any]) -> Vector | None:
    """Return the vector that a map stands for; a map that only resembles one stays a map, to be
    refused as one.
    """
    if len(fields) != 2 or fields["__type__"].string_value != "__vector__" or "value" not in fields:
        return None
    elements = fields["value"].array_value.values
    if not elements or any(item.WhichOneof("value_type") != "double_value" for item in elements):
        return None
    return Vector(tuple(item.double_value for item in elements))


def _reference_from_proto(message: Any) -> Value:
    return Reference(*parse_document_name(message.reference_value))


def _unsupported_value(message: Any) -> Value:
    raise invalid(f"A value of type {message.WhichOneof('value_type')} cannot be stored.")


_DECODERS: dict[str | None, Callable[[Any], Value]] = {
    None: lambda message: None,
    "null_value": lambda message: None,
    "boolean_value": lambda message: message.boolean_value,
    "integer_value": lambda message: message.integer_value,
    "double_value": lambda message: message.double_value,
    "timestamp_value": lambda message: timestamp_from_proto(message.timestamp_value),
    "string_value": lambda message: message.string_value,
    "bytes_value": lambda message: message.bytes_value,
    "reference_value": _reference_from_proto,
    "geo_point_value": lambda message: GeoPoint(
        message.geo_point_value.latitude, message.geo_point_value.longitude
    ),
    "array_value": _array_from_proto,
    "map_value": _map_from_proto,
    # What pipelines add to the message; no document holds them.
    "field_reference_value": _unsupported_value,
    "variable_reference_value": _unsupported_value,
    "function_value": _unsupported_value,
    "pipeline_value": _unsupported_value,
}


# --- values, to the wire --------------------------------------------------------------------------


def value_to_proto(value: Value, out: Any) -> None:
    """Write a value into an empty `Value` message."""
    _ENCODERS[type(value)](value, out)


def fields_to_proto(fields: Fields, out: Any) -> None:
    """Write fields into an empty map of `Value` messages."""
    encoders = _ENCODERS
    for name, value in fields.items():
        encoders[type(value)](value, out[name])


def timestamp_to_proto(time: Timestamp, out: Any) -> None:
    """Write a time into a `Timestamp` message."""
    out.seconds, micros = divmod(time.micros, _MICROS)
    out.nanos = micros * 1000


def _null_to_proto(value: Any, out: Any) -> None:
    out.null_value = 0


def _bool_to_proto(value: Any, out: Any) -> None:
    out.boolean_value = value


def _int_to_proto(value: Any, out: Any) -> None:
    out.integer_value = value


def _float_to_proto(value: Any, out: Any) -> None:
    out.double_value = value


def _str_to_proto(value: Any, out: Any) -> None:
    out.string_value = value


def _bytes_to_proto(value: Any, out: Any) -> None:
    out.bytes_value = value


def _timestamp_value_to_proto(value: Any, out: Any) -> None:
    out.timestamp_value.SetInParent()
    timestamp_to_proto(value, out.timestamp_value)


def _reference_to_proto(value: Any, out: Any) -> None:
    out.reference_value = document_name(value.database, value.path)


def _geo_point_to_proto(value: Any, out: Any) -> None:
    point = out.geo_point_value
    point.SetInParent()
    point.latitude = value.latitude
    point.longitude = value.longitude


def _vector_to_proto(value: Any, out: Any) -> None:
    fields = out.map_value.fields
    fields["__type__"].string_value = "__vector__"
    elements = fields["value"].array_value.values
    for item in value.values:
        elements.add(double_value=item)


def _array_to_proto(value: Any, out: Any) -> None:
    out.array_value.SetInParent()
    elements = out.array_value.values
    for item in value:
        _ENCODERS[type(item)](item, elements.add())


def _map_to_proto(value: Any, out: Any) -> None:
    out.map_value.SetInParent()
    fields_to_proto(value, out.map_value.fields)


_ENCODERS: dict[type, Callable[[Any, Any], None]] = {
    type(None): _null_to_proto,
    bool: _bool_to_proto,
    int: _int_to_proto,
    float: _float_to_proto,
    str: _str_to_proto,
    bytes: _bytes_to_proto,
    Timestamp: _timestamp_value_to_proto,
    Reference: _reference_to_proto,
    GeoPoint: _geo_point_to_proto,
    Vector: _vector_to_proto,
    tuple: _array_to_proto,
    dict: _map_to_proto,
}


# --- documents ------------------------------------------------------------------------------------


def document_to_proto(database: DatabaseName, snapshot: DocumentSnapshot, out: Any) -> None:
    """Write a document into an empty `Document` message."""
    out.name = document_name(database, snapshot.path)
    fields_to_proto(snapshot.fields, out.fields)
    timestamp_to_proto(snapshot.create_time, out.create_time)
    timestamp_to_proto(snapshot.update_time, out.update_time)


def document_path(name: str, database: DatabaseName) -> ResourcePath:
    """Return the path of a document that must be in the request's database.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    named, path = parse_document_name(name)
    if named is not database and named != database:
        raise invalid(f'Document "{name}" is not in database "{database}".')
    return path


def mask_from_proto(request: Any, field: str) -> tuple[FieldPath, ...] | None:
    """Return a `DocumentMask` field as field paths, None if it is not set."""
    if not request.HasField(field):
        return None
    return tuple(map(parse_field_path, getattr(request, field).field_paths))


# --- writes ---------------------------------------------------------------------------------------


def writes_from_proto(messages: Iterable[Any], database: DatabaseName) -> tuple[Write, ...]:
    """Return the writes of a commit.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    return tuple([write_from_proto(message, database) for message in messages])


def write_from_proto(message: Any, database: DatabaseName) -> Write:
    """Return one write."""
    operation = message.WhichOneof("operation")
    precondition = precondition_from_proto(message)
    transforms = (
        transforms_from_proto(message.update_transforms) if message.update_transforms else ()
    )
    if operation == "update":
        document = message.update
        return Write(
            WriteKind.UPDATE,
            document_path(document.name, database),
            fields_from_proto(document.fields),
            mask_from_proto(message, "update_mask"),
            transforms,
            precondition,
        )
    if operation == "transform":
        return Write(
            WriteKind.UPDATE,
            document_path(message.transform.document, database),
            {},
            (),
            transforms_from_proto(message.transform.field_transforms),
            precondition,
            is_transform=True,
        )
    if operation == "delete":
        kind, name = WriteKind.DELETE, message.delete
    elif operation == "verify":
        kind, name = WriteKind.VERIFY, message.verify
    else:
        raise invalid("A write must have an operation.")
    return Write(
        kind,
        document_path(name, database),
        None,
        mask_from_proto(message, "update_mask"),
        transforms,
        precondition,
    )


def precondition_from_proto(message: Any, field: str = "current_document") -> Precondition | None:
    """Return the precondition of a write or request, None if it sets no condition."""
    if not message.HasField(field):
        return None
    condition = getattr(message, field)
    kind = condition.WhichOneof("condition_type")
    if kind == "exists":
        return Precondition(exists=condition.exists)
    if kind == "update_time":
        return Precondition(update_time=timestamp_from_proto(condition.update_time))
    return None


_OPERAND_KINDS = {
    "increment": TransformKind.INCREMENT,
    "maximum": TransformKind.MAXIMUM,
    "minimum": TransformKind.MINIMUM,
}
_ARRAY_KINDS = {
    "append_missing_elements": TransformKind.APPEND_MISSING_ELEMENTS,
    "remove_all_from_array": TransformKind.REMOVE_ALL_FROM_ARRAY,
}
_REQUEST_TIME = 1


def transforms_from_proto(messages: Iterable[Any]) -> tuple[FieldTransform, ...]:
    """Return field transforms."""
    return tuple([_transform_from_proto(message) for message in messages])


def _transform_from_proto(message: Any) -> FieldTransform:
    field = parse_field_path(message.field_path)
    kind = message.WhichOneof("transform_type")
    if kind == "set_to_server_value":
        if message.set_to_server_value != _REQUEST_TIME:
            raise invalid(f"Unknown server value for the field {field}.")
        return FieldTransform(field, TransformKind.SET_TO_SERVER_VALUE)
    if kind in _OPERAND_KINDS:
        return FieldTransform(field, _OPERAND_KINDS[kind], value_from_proto(getattr(message, kind)))
    if kind in _ARRAY_KINDS:
        values = tuple(map(value_from_proto, getattr(message, kind).values))
        return FieldTransform(field, _ARRAY_KINDS[kind], values)
    raise invalid(f"The transform of the field {field} has no type.")


def write_result_to_proto(result: WriteResult, out: Any) -> None:
    """Write one write's answer into an empty `WriteResult` message."""
    if result.update_time is not None:
        timestamp_to_proto(result.update_time, out.update_time)
    for value in result.transform_results:
        value_to_proto(value, out.transform_results.add())


def commit_to_proto(result: CommitResult, out: Any) -> Any:
    """Write a commit's answer into an empty `CommitResponse` or `WriteResponse`, and return it."""
    for write_result in result.write_results:
        write_result_to_proto(write_result, out.write_results.add())
    timestamp_to_proto(result.commit_time, out.commit_time)
    return out


# --- consistency ----------------------------------------------------------------------------------


_OPTIMISTIC = 1  # of TransactionOptions.ConcurrencyMode


def transaction_options_from_proto(message: Any) -> TransactionOptions:
    """Return how a transaction shall be opened; without a mode it is read-write."""
    if message.WhichOneof("mode") == "read_only":
        read_only = message.read_only
        read_time = (
            timestamp_from_proto(read_only.read_time) if read_only.HasField("read_time") else None
        )
        return TransactionOptions(read_only=True, read_time=read_time)
    read_write = message.read_write
    # Older releases of the client library, whose messages these are, have no such field.
    is_optimistic = getattr(read_write, "concurrency_mode", 0) == _OPTIMISTIC
    return TransactionOptions(
        retry=read_write.retry_transaction or None,
        concurrency=Concurrency.OPTIMISTIC if is_optimistic else Concurrency.PESSIMISTIC,
    )


def consistency_from_proto(request: Any) -> Consistency:
    """Return what a read request shall see."""
    selector = request.WhichOneof("consistency_selector")
    if selector is None:
        return LATEST
    if selector == "transaction":
        return Consistency(transaction=request.transaction)
    if selector == "read_time":
        return Consistency(read_time=timestamp_from_proto(request.read_time))
    return Consistency(begin=transaction_options_from_proto(request.new_transaction))


# --- queries --------------------------------------------------------------------------------------

_FIELD_OPERATORS = {
    1: Operator.LESS_THAN,
    2: Operator.LESS_THAN_OR_EQUAL,
    3: Operator.GREATER_THAN,
    4: Operator.GREATER_THAN_OR_EQUAL,
    5: Operator.EQUAL,
    6: Operator.NOT_EQUAL,
    7: Operator.ARRAY_CONTAINS,
    8: Operator.IN,
    9: Operator.ARRAY_CONTAINS_ANY,
    10: Operator.NOT_IN,
}
_UNARY_OPERATORS = {
    2: Operator.IS_NAN,
    3: Operator.IS_NULL,
    4: Operator.IS_NOT_NAN,
    5: Operator.IS_NOT_NULL,
}
_COMPOSITE_OPERATORS = {1: CompositeOperator.AND, 2: CompositeOperator.OR}
_DESCENDING = 2
_DISTANCE_MEASURES = {1: "EUCLIDEAN", 2: "COSINE", 3: "DOT_PRODUCT"}
_MAX_FILTER_DEPTH = 100


MAX_QUERY_PARTS = 10_000
"""Filters, or orders, of a query that is looked at: many times what either profile can run."""


def query_from_proto(parent: ResourcePath, message: Any) -> StructuredQuery:
    """Return a structured query; what it may not say is checked by the query itself.

    Raises:
        StatusError: INVALID_ARGUMENT for what the core has no words for.
    """
    if len(message.order_by) > MAX_QUERY_PARTS or (
        message.where.ByteSize() > MAX_QUERY_PARTS
        and _filter_count(message.where) > MAX_QUERY_PARTS
    ):
        raise invalid(f"The query has more than {MAX_QUERY_PARTS} filters or orders.")
    sources = getattr(message, "from")
    if len(sources) > 1:
        raise invalid("StructuredQuery.from cannot have more than one collection selector.")
    collection_id = sources[0].collection_id or None if sources else None
    select = None
    if message.HasField("select") and message.select.fields:
        paths = [parse_field_path(field.field_path) for field in message.select.fields]
        select = tuple(path for path in paths if path != ("__name__",))
    return StructuredQuery(
        parent=parent,
        collection_id=collection_id,
        all_descendants=sources[0].all_descendants if sources else False,
        where=_filter_from_proto(message.where, 0) if message.HasField("where") else None,
        order_by=tuple(
            Order(
                parse_field_path(order.field.field_path),
                Direction.DESCENDING if order.direction == _DESCENDING else Direction.ASCENDING,
            )
            for order in message.order_by
        ),
        start_at=_cursor_from_proto(message.start_at) if message.HasField("start_at") else None,
        end_at=_cursor_from_proto(message.end_at) if message.HasField("end_at") else None,
        offset=message.offset,
        limit=message.limit.value if message.HasField("limit") else None,
        select=select,
        find_nearest=(
            _find_nearest_from_proto(message.find_nearest)
            if message.HasField("find_nearest")
            else None
        ),
    )


def _filter_from_proto(message: Any, depth: int) -> Filter | None:
    kind = message.WhichOneof("filter_type")
    if kind == "field_filter":
        part = message.field_filter
        operator = _FIELD_OPERATORS.get(part.op)
        if operator is None:
            raise invalid("Unknown FieldFilter operator.")
        return FieldFilter(
            parse_field_path(part.field.field_path), operator, value_from_proto(part.value)
        )
    if kind == "unary_filter":
        part = message.unary_filter
        operator = _UNARY_OPERATORS.get(part.op)
        if operator is None:
            raise invalid("Unknown UnaryFilter operator.")
        return FieldFilter(parse_field_path(part.field.field_path), operator)
    if kind == "composite_filter":
        part = message.composite_filter
        joining = _COMPOSITE_OPERATORS.get(part.op)
        if joining is None:
            raise invalid("Unsupported CompositeFilter operator.")
        if depth == _MAX_FILTER_DEPTH:
            raise invalid(f"Filters are nested more than {_MAX_FILTER_DEPTH} levels deep.")
        filters = [_filter_from_proto(inner, depth + 1) for inner in part.filters]
        return CompositeFilter(joining, tuple(inner for inner in filters if inner is not None))
    return None


def _filter_count(message: Any) -> int:
    parts = message.composite_filter.filters
    return sum(map(_filter_count, parts)) if parts else 1


def _cursor_from_proto(message: Any) -> Cursor:
    return Cursor(tuple(map(value_from_proto, message.values)), message.before)


def cursor_to_proto(cursor: Cursor, out: Any) -> None:
    """Write a cursor into a message."""
    out.before = cursor.before
    for value in cursor.values:
        value_to_proto(value, out.values.add())


def _find_nearest_from_proto(message: Any) -> FindNearest:
    vector = value_from_proto(message.query_vector)
    if not isinstance(vector, Vector):
        raise invalid("query_vector must be a vector.")
    measure = _DISTANCE_MEASURES.get(message.distance_measure)
    if measure is None:
        raise invalid("distance_measure must be set.")
    return FindNearest(
        field=parse_field_path(message.vector_field.field_path),
        query_vector=vector.values,
        distance_measure=measure,
        limit=message.limit.value,
        distance_result_field=message.distance_result_field or None,
        distance_threshold=(
            message.distance_threshold.value if message.HasField("distance_threshold") else None
        ),
    )


def aggregations_from_proto(messages: Iterable[Any]) -> tuple[Aggregation, ...]:
    """Return aggregations; those without an alias are numbered `field_1`, `field_2`, ... among
    themselves.

    Raises:
        StatusError: INVALID_ARGUMENT for an aggregation without an operator.
    """
    aggregations = []
    unnamed = 0
    for message in messages:
        alias = message.alias
        if not alias:
            unnamed += 1
            alias = f"field_{unnamed}"
        kind = message.WhichOneof("operator")
        if kind == "count":
            up_to = message.count.up_to.value if message.count.HasField("up_to") else None
            aggregations.append(Aggregation(AggregationKind.COUNT, alias, None, up_to))
        elif kind in ("sum", "avg"):
            field = parse_field_path(getattr(message, kind).field.field_path)
            aggregations.append(Aggregation(AggregationKind(kind), alias, field))
        else:
            raise invalid("Operator field in Aggregation is not set.")
    return tuple(aggregations)


def explain_from_proto(request: Any) -> bool | None:
    """Return whether to explain: None no, False the plan alone, True with the figures of the
    run.
    """
    return request.explain_options.analyze if request.HasField("explain_options") else None


def explain_to_proto(metrics: ExplainMetrics, duration_s: float, out: Any) -> None:
    """Write explain metrics into an empty `ExplainMetrics` message."""
    out.plan_summary.SetInParent()
    for index in metrics.plan_summary["indexes_used"]:
        out.plan_summary.indexes_used.add().update(index)
    if metrics.statistics is None:
        return
    stats = out.execution_stats
    stats.results_returned = metrics.statistics["results_returned"]
    stats.read_operations = metrics.statistics["read_operations"]
    # Never zero: clients take that for "not measured".
    stats.execution_duration.FromMicroseconds(max(1, round(duration_s * _MICROS)))
    stats.debug_stats.update(metrics.statistics["debug_stats"])
