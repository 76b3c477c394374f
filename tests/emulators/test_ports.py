from __future__ import annotations

import socket
import sys

import pytest

from harness.emulators.ports import FIRST_PORT, LAST_PORT, LOOPBACK, hold_ports
from harness.errors import EnvironmentLacking


def _can_listen(port: int, *, share: bool) -> bool:
    with socket.socket() as server:
        if share:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((LOOPBACK, port))
            server.listen()
        except OSError:
            return False
        return True


def test_every_name_gets_a_port_of_its_own_outside_the_range_of_outgoing_connections():
    with hold_ports(["hub", "auth", "firestore"]) as held:
        assert len(set(held.numbers.values())) == 3
        assert all(FIRST_PORT <= port <= LAST_PORT for port in held.numbers.values())


def test_held_ports_are_taken_for_everyone_else():
    with hold_ports(["hub"]) as held:
        assert not _can_listen(held.numbers["hub"], share=False)
        assert not _can_listen(held.numbers["hub"], share=True)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux shares a port that nobody listens on"
)
def test_a_handed_over_port_is_free_for_a_server_that_shares_and_for_no_other_run():
    with hold_ports(["hub"]) as held:
        held.hand_over()
        assert not _can_listen(held.numbers["hub"], share=False)
        assert _can_listen(held.numbers["hub"], share=True)


def test_released_ports_are_free_again():
    held = hold_ports(["hub"])
    held.release()
    held.release()
    assert _can_listen(held.numbers["hub"], share=False)


def test_a_fixed_port_is_taken_as_it_is():
    with hold_ports(["probe"]) as probe:
        port = probe.numbers["probe"]
    with hold_ports(["hub", "auth"], fixed={"auth": port}) as held:
        assert held.numbers["auth"] == port


def test_a_fixed_port_in_use_is_named_with_its_emulator():
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(EnvironmentLacking) as caught:
            hold_ports(["hub", "auth"], fixed={"auth": port})
    assert f"port {port}, fixed for the auth emulator" in str(caught.value)
    assert "taken by another process" in str(caught.value)
    assert caught.value.exit_status == 3


def test_a_preferred_port_is_taken_where_it_is_free():
    with hold_ports(["probe"]) as probe:
        port = probe.numbers["probe"]
    with hold_ports(["hub", "auth"], preferred={"auth": port, "none": 1}) as held:
        assert held.numbers["auth"] == port


def test_a_preferred_port_that_another_run_is_about_to_listen_on_is_left_to_it():
    with hold_ports(["probe"]) as probe:
        port = probe.numbers["probe"]
    with hold_ports(["auth"], preferred={"auth": port}) as first:
        first.hand_over()
        with hold_ports(["auth"], preferred={"auth": port}) as second:
            assert second.numbers["auth"] != port


def test_a_preferred_port_with_a_listener_is_left_to_it():
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        port = server.getsockname()[1]
        with hold_ports(["auth"], preferred={"auth": port}) as held:
            assert held.numbers["auth"] != port


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such a port counts as taken")
def test_a_preferred_port_with_dying_connections_of_the_run_before_is_taken():
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((LOOPBACK, 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection((LOOPBACK, port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # the end that closes first is the one whose connection dies slowly
            assert client.recv(1) == b""
    with hold_ports(["auth"], preferred={"auth": port}) as held:
        assert held.numbers["auth"] == port
