"""Schedulers that others on the network can reach are refused, with what to write instead."""

import pytest

from harness.run.executors.addresses import exposed, problem


@pytest.mark.parametrize(
    "address",
    [
        "tcp://127.0.0.1:8786",
        "127.0.0.1:8786",
        "localhost:8786",
        "tcp://[::1]:8786",
        "tls://10.0.0.5:8786",
        "tls://h:1",
    ],
)
def test_schedulers_of_this_machine_or_under_tls_are_taken(address):
    assert problem(address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "tcp://10.0.0.5:8786",
        "login.cluster:8786",
        "tcp://0.0.0.0:8786",
        "tcp://127.0.0.1.evil.example:8786",
        "tcp://localhost.evil.example:8786",
        "tcp://127.0.0.1@10.0.0.5:8786",
        "tcp://[2001:db8::1]:8786",
    ],
)
def test_others_are_refused_with_what_to_write(address):
    said = problem(address)
    assert "neither on this machine nor under TLS" in said
    assert f"--scheduler tls://{address.rpartition('//')[2]}" in said


@pytest.mark.parametrize("address", ["ws://127.0.0.1:8786", "ucx://10.0.0.5:1", "inproc://10.0.0.5/1/1"])
def test_other_protocols_are_refused(address):
    assert "write tls://" in problem(address)


def test_an_address_is_needed():
    assert "--scheduler" in problem("")


def test_the_exposed_one_among_those_that_listen_is_named():
    assert exposed(["tcp://127.0.0.1:1", "tls://10.0.0.5:2"]) == ""
    assert exposed(["tcp://127.0.0.1:1", "tcp://10.0.0.5:2"]) == "tcp://10.0.0.5:2"
