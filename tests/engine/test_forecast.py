"""How long a plan takes is foreseen from what earlier tasks took."""

from __future__ import annotations

import time
from dataclasses import replace

from campaigns import image, video

from kling_pipe.engine.forecast import Forecast, forecast, lessons


def test_nothing_is_known_before_the_first_task(bench):
    """The data's usual times stand in, and it is said that they do."""
    foreseen = forecast(bench.offline([image("kite")]), lessons(bench.workspace), bench.settings)
    assert foreseen.seconds > 1
    assert not foreseen.learned


def test_learned_times_are_laid_over_the_slots(bench):
    """Six pictures two at a time are three rounds; the film that uses one comes on top; what is made takes none."""
    first = [image("kite"), video("clip", frame=image("kite"))]
    bench.run(first)
    known = lessons(bench.workspace)
    picture, film = (known.expected(job) for job in first)
    again = [image(f"i{n}", f"p {n}") for n in range(6)]
    two = replace(bench.settings, limits={"image": 2})

    assert forecast(bench.offline(first), known, two) == Forecast(0.0, learned=True)
    assert abs(forecast(bench.offline(again), known, two).seconds - 3 * picture) < 1e-6
    chain = [again[0], video("new", frame=again[0])]
    assert abs(forecast(bench.offline(chain), known, two).seconds - picture - film) < 1e-6


def test_the_forecast_comes_close_to_the_run(bench):
    """Learned on one campaign, foreseen for another of the same sort, measured: within the overhead of a poll each."""
    bench.clock(mode="scaled", speed=1)
    bench.run([image(f"a{n}", f"a {n}") for n in range(4)])
    jobs = [image(f"b{n}", f"b {n}") for n in range(8)]
    settings = replace(bench.settings, limits={"image": 4})
    foreseen = forecast(bench.offline(jobs), lessons(bench.workspace), settings).seconds
    begun = time.monotonic()
    bench.run(jobs, settings=settings)
    took = time.monotonic() - begun
    # Two rounds, each seen to be over a little late; the rest is the run's own beginning and end.
    assert foreseen - 0.1 < took < 1.5 * foreseen + 2
