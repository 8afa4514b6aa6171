"""Options on the command line: what makes no sense is refused in words, before anything listens."""

from pathlib import Path

import pytest
from program import call


@pytest.mark.parametrize(
    ("flag", "value", "why"),
    [
        ("--port", "99999", "`99999` is no whole number from 0 to 65535"),
        ("--port", "x", "`x` is no whole number from 0 to 65535"),
        ("--speed", "0", "`0` is no number of 0.001 or more"),
        ("--speed", "nan", "`nan` is no number of 0.001 or more"),
        ("--spread", "5", "`5` is no number from 0 to 1"),
        ("--latency", "-1", "`-1` is no number of 0 or more"),
        ("--slots", "vido=3", "`vido=3` names no pack; write video=5,image=9"),
        ("--slots", "video", "`` is no whole number of 0 or more"),
        ("--slots", "video=2.5", "`2.5` is no whole number of 0 or more"),
        ("--packs", "second/audio=1", "`second/audio=1` names no pack; write video=5,image=9"),
        ("--media", "large", "invalid choice: 'large' (choose from "),
        ("--over-limit-http", "300", "invalid choice: 300 (choose from "),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, flag: str, value: str, why: str) -> None:
    """With the flag, what was given and what is allowed."""
    done = call("emulator", "serve", flag, value, folder=tmp_path)
    assert done.code == 64
    assert f"argument {flag}: {why}" in done.err
