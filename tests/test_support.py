"""The ground that tests stand on is tested too."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from loopback_only import OutsideWorldError

REACH_OUT = "import socket; socket.create_connection(('203.0.113.7', 443), timeout=1)"


def test_a_connection_beyond_this_machine_raises() -> None:
    """A documentation address is refused before a packet leaves, by number and by name."""
    with pytest.raises(OutsideWorldError, match=r"203\.0\.113\.7"):
        socket.create_connection(("203.0.113.7", 443), timeout=1)
    with pytest.raises(OutsideWorldError, match="api"):
        socket.getaddrinfo("api.example.com", 443)


def test_a_datagram_beyond_this_machine_raises() -> None:
    """A datagram needs no connection, and is refused all the same."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outlet,
        pytest.raises(OutsideWorldError, match=r"203\.0\.113\.7"),
    ):
        outlet.sendto(b"hello", ("203.0.113.7", 9))


def test_loopback_stays_open() -> None:
    """The emulator is reached as always."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_processes_that_tests_start_are_cut_off_too() -> None:
    """A child inherits the guard by its environment."""
    child = subprocess.run([sys.executable, "-c", REACH_OUT], capture_output=True, text=True, timeout=60, check=False)

    assert "OutsideWorldError" in child.stderr


def test_no_credential_and_no_setting_of_this_machine_is_seen(clean_environment: Path) -> None:
    """Nothing of the person's own reaches a test."""
    assert [name for name in os.environ if name.upper().startswith("KLING")] == []
    assert Path.home() == clean_environment


def test_what_a_machine_lacks_is_deselected_and_counted(pytester: pytest.Pytester) -> None:
    """A test that needs an absent program is named in the closing lines, and never passes for run."""
    pytester.makepyfile("import pytest\n@pytest.mark.needs('unobtainium')\ndef test_a(): ...\ndef test_b(): ...\n")

    result = pytester.runpytest_subprocess("-p", "needs", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(["1 deselected here for want of unobtainium", "*1 passed, 1 deselected*"])
