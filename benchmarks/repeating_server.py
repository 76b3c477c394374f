"""A server that says the same documents again to whoever asks, by gRPC's own C core: what a query
costs that nobody has to answer.

    python -m benchmarks.repeating_server PORT HOST:PORT COLLECTION LIMIT
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

from benchmarks.messages import query

LIFE_S = 1_800
METHOD = "/google.firestore.v1.Firestore/RunQuery"


def answer_of(address, collection, limit):
    """Return what a server answers, as bytes."""
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_stream(METHOD)
        owner = [("authorization", "Bearer owner")]
        return list(call(query(collection, "k", 3, limit).message, metadata=owner, timeout=60))


class _Repeated(grpc.GenericRpcHandler):
    def __init__(self, answer):
        self._answer = answer

    def service(self, details):
        return grpc.unary_stream_rpc_method_handler(lambda request, context: iter(self._answer))


def main(words):
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("address")
    parser.add_argument("collection")
    parser.add_argument("limit", type=int)
    options = parser.parse_args(words)
    answer = answer_of(options.address, options.collection, options.limit)
    assert len(answer) >= options.limit, len(answer)
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((_Repeated(answer),))
    server.add_insecure_port(f"127.0.0.1:{options.port}")
    server.start()
    server.wait_for_termination(LIFE_S)


if __name__ == "__main__":
    main(sys.argv[1:])
