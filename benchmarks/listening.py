"""How soon a listener hears of a write, on small and large collections.

By gRPC messages: the published client sorts all that it knows at each change, which would be in the
figure. Times run from before the commit is sent until the changed document has come.
"""

import queue
from statistics import median
from time import perf_counter

import grpc

from benchmarks.large import load_small
from benchmarks.measuring import Row, in_turns, missing, run_part
from benchmarks.messages import SMALL, commit
from benchmarks.raw_client import SERVICE, Connection
from benchmarks.servers import DATABASE, NotMeasured, both, peer_lacks
from harness.server.wire import pb

SIZES = (100, 10_000)
WRITES = 15
ROUNDS = 7
LIMIT_S = 60
TARGET_MS, FLAT_TARGET = 10, 1.5


def rows():
    with both() as servers:
        found, lacking = {}, {}
        listeners = {}
        for name, server in servers.items():
            for documents in SIZES:
                try:
                    listeners[name, documents] = Listener(server, documents)
                except (NotMeasured, grpc.RpcError) as error:
                    lacking[name, documents] = missing("", error).note
        found = in_turns(
            ROUNDS,
            {
                key: lambda each=each: median(each.delivery_ms() for _ in range(WRITES))
                for key, each in listeners.items()
            },
        )
        for listener in listeners.values():
            listener.close()
    if "peer" not in servers:
        lacking |= {("peer", documents): peer_lacks() for documents in SIZES}
    for documents in SIZES:
        ours = found["ours", documents]
        growth = ours / found["ours", SIZES[0]]
        peer_note = lacking.get(("peer", documents))
        note = f"{growth:.2f} times that on {SIZES[0]}" if documents != SIZES[0] else ""
        yield Row(
            f"write with a listener on {documents:,} documents, delivery p50",
            ours,
            "ms",
            found.get(("peer", documents)),
            f"under {TARGET_MS} ms" + (", whatever the size" if documents != SIZES[0] else ""),
            ours < TARGET_MS and growth <= FLAT_TARGET,
            "; ".join(filter(None, [note, f"peer: {peer_note}" if peer_note else ""])),
        )


class Listener:
    """A listener on a collection that it has heard all of.

    Raises:
        NotMeasured: Loading the documents, or hearing of them, takes too long.
    """

    def __init__(self, server, documents, collection=None):
        if collection is None:
            collection = f"s{documents}"
            load_small(server, documents)
        self._collection = collection
        self._documents = documents
        self._count = 0
        self._connection = Connection(server.port)
        self._frames_of = lambda request: request.frames(server.port)
        self._requests = queue.SimpleQueue()
        self._channel = grpc.insecure_channel(server.address)
        listen = self._channel.stream_stream(
            f"{SERVICE}Listen",
            request_serializer=pb.ListenRequest.SerializeToString,
            response_deserializer=pb.ListenResponse.FromString,
        )
        self._responses = listen(
            iter(self._requests.get, None),
            metadata=[
                ("authorization", "Bearer owner"),
                ("google-cloud-resource-prefix", DATABASE),
            ],
            timeout=LIMIT_S * 5,
        )
        request = pb.ListenRequest(database=DATABASE)
        request.add_target.target_id = 1
        request.add_target.query.parent = f"{DATABASE}/documents"
        query = request.add_target.query.structured_query
        getattr(query, "from").add(collection_id=self._collection)
        self._requests.put(request)
        self._hear_of_all(server.name)

    def _hear_of_all(self, name):
        begun, heard = perf_counter(), 0
        for response in self._responses:
            heard += response.WhichOneof("response_type") == "document_change"
            if heard >= self._documents and response.target_change.target_change_type == 3:
                return
            if perf_counter() - begun > LIMIT_S:
                break
        raise NotMeasured(f"{name} has not told of {self._documents:,} documents in {LIMIT_S} s")

    def delivery_ms(self):
        """Write one document, and wait until the listener hears of it."""
        self._count += 1
        path = f"{self._collection}/{self._count % self._documents:06d}"
        frames = self._frames_of(commit(path, SMALL | {"n": -self._count}))
        begun = perf_counter()
        self._connection.call(frames)
        for response in self._responses:
            fields = response.document_change.document.fields
            if "n" in fields and fields["n"].integer_value == -self._count:
                return (perf_counter() - begun) * 1000
        raise NotMeasured("the listener has ended")

    def close(self):
        self._requests.put(None)
        self._responses.cancel()
        self._channel.close()
        self._connection.close()


if __name__ == "__main__":
    run_part(rows)
