"""A request that Kling's own rules refuse. Everything else that can go wrong stands in `tests/faults/`."""

from campaigns import image


def tally(result):
    return result.made, result.reused, result.failed, result.waiting


def test_a_refused_request_fails_with_what_kling_said_and_is_not_sent_twice(bench):
    """A definite 1201 with nothing to be found is the end of the job, and the next run may try again."""
    wrong = image("wrong", fields={"aspect_ratio": "7:3"})
    result = bench.run([wrong, image("fine")])
    assert tally(result) == (1, 0, 1, 0)
    assert "1201" in result.outcomes[0].message
    assert bench.ledger()["requests"]["routes"]["POST /v1/images/omni-image"] == 2
