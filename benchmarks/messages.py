"""The requests that are measured, as messages that are ready to be sent."""

from benchmarks.raw_client import Request
from benchmarks.servers import DATABASE
from harness.firestore.values import Timestamp
from harness.server import wire
from harness.server.wire import pb

SMALL = {"k": 3, "n": 7, "name": "user-000007", "owner": "u7", "nested": {"x": 1, "y": "z"}}


def document_name(path):
    return f"{DATABASE}/documents/{path}"


def get(path):
    """What client libraries send for `get()`."""
    message = pb.BatchGetDocumentsRequest(database=DATABASE, documents=[document_name(path)])
    return Request("BatchGetDocuments", message.SerializeToString())


def commit(path, fields):
    """What client libraries send for `set()`."""
    return commit_all({path: fields})


def commits(documents):
    """Sets of so many documents, two of each, which differ: every one changes something."""
    return [
        commit(f"c/{number % documents}", SMALL | {"n": number}) for number in range(2 * documents)
    ]


def commit_all(documents):
    """What client libraries send for a batch of sets; fields by path."""
    message = pb.CommitRequest(database=DATABASE)
    for path, fields in documents.items():
        update = message.writes.add().update
        update.name = document_name(path)
        wire.fields_to_proto(fields, update.fields)
    return Request("Commit", message.SerializeToString())


def query(collection, field, value, limit):
    """Run `where(field, "==", value).limit(limit)`."""
    message = pb.RunQueryRequest(parent=f"{DATABASE}/documents")
    structured = message.structured_query
    getattr(structured, "from").add(collection_id=collection)
    where = structured.where.field_filter
    where.field.field_path, where.op = field, 5
    wire.value_to_proto(value, where.value)
    structured.limit.value = limit
    return Request("RunQuery", message.SerializeToString())


def kilobyte_fields(number):
    """Ten fields of about 1 KB, as an app's documents are: no two documents share a string."""
    return {
        "title": f"Document number {number}",
        "owner": f"user-{number % 1000}",
        "rank": number,
        "score": number / 7,
        "done": number % 2 == 0,
        "created": Timestamp(1_700_000_000_000_000 + number),
        "tags": (f"tag-{number % 10}", f"tag-{number % 7}"),
        "place": {"city": f"city-{number % 50}", "zip": number % 9999},
        "body": f"{number:08d}" * 50,
        "notes": f"{number:06d}" * 60,
    }
