"""A stand-in for the Functions emulator, whose functions can hang and fail when they start."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.emulators.hub import SuiteEndpoints

REGION = "europe-west1"


class Emulator:
    """Answers as the Functions emulator does; functions whose names say so hang or fail."""

    def __init__(self, **functions):
        self.functions = functions
        self.asked = []
        self.most_at_once = self.at_once = 0
        self.lock = threading.Lock()
        self.is_over = threading.Event()

    def answer(self, path):
        if path == "/backends":
            triggers = [
                {
                    "name": name,
                    "region": REGION,
                    **({"eventTrigger": {"eventType": "x"}} if is_event else {}),
                }
                for name, is_event in self.functions.items()
            ]
            return 200, json.dumps({"backends": [{"functionTriggers": triggers}]})
        if path.endswith("/none"):
            keys = [
                f"{REGION}-{name}-{number}" if is_event else f"{REGION}-{name}"
                for name, is_event in self.functions.items()
                for number in ((0, 1) if is_event else (0,))
            ]
            return 404, f"Function x does not exist, valid functions are: {', '.join(keys)}"
        with self.lock:
            self.asked.append(path)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        if "hangs" in path:
            self.is_over.wait(30)
        time.sleep(0.05)
        with self.lock:
            self.at_once -= 1
        return (500, "") if "fails" in path else (200, "")


@contextmanager
def running(emulator):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, text = emulator.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield SuiteEndpoints("demo-x", functions=f"127.0.0.1:{server.server_port}")
    finally:
        emulator.is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()
