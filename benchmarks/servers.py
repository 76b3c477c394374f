"""The servers that are compared, each a process of its own on a loopback port."""

import contextlib
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

import psutil

PEER = "@firestore-emulator/server 0.3.15"
PEER_FOLDER = Path(__file__).parent / "peer"
PROJECT = "demo-bench"
DATABASE = f"projects/{PROJECT}/databases/(default)"

START_LIMIT_S = 30
STOP_LIMIT_S = 10


class NotMeasured(Exception):
    """Something is missing here, or took too long; the text says what."""


@dataclass
class Server:
    """A server that accepts connections, `start_ms` after its process was asked for."""

    name: str
    process: subprocess.Popen
    port: int
    start_ms: float

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def rss_mb(self):
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def cpu_s(self):
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_LIMIT_S)


def start_ours(*arguments, module="harness.server"):
    """Start the embedded Firestore, as the suite does, which tells it its project."""
    options = ["--host", "127.0.0.1", "--project_id", PROJECT, *arguments]
    return _start("ours", lambda port: [sys.executable, "-m", module, "--port", port, *options])


def start_repeating(*arguments):
    """Start the server that says one answer again and again."""
    module = "benchmarks.repeating_server"
    return _start("repeating", lambda port: [sys.executable, "-m", module, port, *arguments])


def start_peer():
    """Start the peer.

    Raises:
        NotMeasured: It is not installed.
    """
    lacking = peer_lacks()
    if lacking is not None:
        raise NotMeasured(lacking)
    return _start("peer", lambda port: ["node", str(PEER_FOLDER / "serve.js"), port])


def peer_lacks():
    """Return why the peer cannot be started here; None if it can."""
    if shutil.which("node") is None:
        return "Node.js is not installed"
    if not (PEER_FOLDER / "node_modules" / "@firestore-emulator" / "server").is_dir():
        return f"{PEER} is not installed: npm ci in benchmarks/peer"
    return None


@contextlib.contextmanager
def both():
    """Run ours and, where it can be had, the peer; yield them by name."""
    with contextlib.ExitStack() as stack:
        servers = {"ours": start_ours()}
        stack.callback(servers["ours"].stop)
        if peer_lacks() is None:
            servers["peer"] = start_peer()
            stack.callback(servers["peer"].stop)
        yield servers


def _start(name, command):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun = perf_counter()
    process = subprocess.Popen(
        command(str(port)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and perf_counter() - begun < START_LIMIT_S:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            sleep(0.001)
        else:
            return Server(name, process, port, (perf_counter() - begun) * 1000)
    process.kill()
    process.wait(STOP_LIMIT_S)
    raise NotMeasured(f"{name} did not accept connections within {START_LIMIT_S} s")
