"""A signal that comes when the work is done and its loop is closing."""

import asyncio
import os
import signal
import time

import pytest

from kling_pipe.engine.event_loop import run_async


def interrupt():
    """A thread of the loop, which the loop waits for at its end: Ctrl-C, just then."""
    ends = time.monotonic() + 20
    while "received" not in str(signal.getsignal(signal.SIGINT)) and time.monotonic() < ends:
        time.sleep(0.002)
    os.kill(os.getpid(), signal.SIGINT)


async def work():
    asyncio.get_running_loop().run_in_executor(None, interrupt)
    return "done"


def test_it_is_too_late_for_what_has_ended_and_its_result_is_told():
    """Else nobody would count what such a run made."""
    assert run_async(work(), to_the_end=True) == "done"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_stops_what_would_follow_once_the_loop_is_closed():
    """A plan was made, and nothing is sent any more; no thread is left to complain of a closed loop."""
    with pytest.raises(KeyboardInterrupt):
        run_async(work())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
