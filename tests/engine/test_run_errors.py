"""What an answer that does not say what was asked means: one piece for all who ask."""

import pytest

from kling_pipe.client import InDoubt, Refused
from kling_pipe.client.error_codes import code_row
from kling_pipe.engine.run_errors import UNANSWERED, StoppedError, error_of
from kling_pipe.errors import CredentialsError, Unreachable


def refused(code: int) -> Refused:
    return Refused(code, "said Kling", code_row(code))


@pytest.mark.parametrize(
    ("code", "expected"), [(1000, CredentialsError), (1102, StoppedError), (1201, Unreachable), (5000, Unreachable)]
)
def test_a_refusal_stops_as_much_as_its_row_says(code, expected):
    """Credentials and packs stop more than one question; anything else is a Kling that cannot be asked."""
    error = error_of(refused(code), "to list presets")

    assert type(error) is expected
    assert "said Kling" in error.message
    assert str(code) in error.message


def test_a_refused_question_is_named():
    assert error_of(refused(1201), "to list presets").message == "Kling refuses to list presets: 1201 said Kling"


def test_no_answer_is_said_with_its_reason_and_the_next_step():
    """Who asks first is sent to the network; who is in the midst of something may say how to go on."""
    first = error_of(InDoubt("timed out"))
    later = error_of(InDoubt("timed out"), silent=UNANSWERED, hint="run again to go on")

    assert (first.message, first.hint) == (
        "Kling cannot be reached: timed out",
        "Check the network and KLING_BASE_URL.",
    )
    assert (later.message, later.hint) == ("Kling does not answer (timed out)", "run again to go on")
