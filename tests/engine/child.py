"""One `run` in a process of its own, for tests that kill it.

    child.py ROOT BASE_URL ACCESS SECRET CAMPAIGN [CRASH_AT]

Prints the result as JSON. With CRASH_AT the process kills itself (kill -9) at that observation of its effects, with
`count` it prints how many there were instead.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import campaigns

from kling_pipe.effects import Effects
from kling_pipe.engine import Seams, Settings, refresh, run, stop_on_signals
from kling_pipe.plan import make_plan
from kling_pipe.workspace import open_workspace

CAMPAIGNS = {
    "picture": lambda: [campaigns.image("kite")],
    "pair": lambda: [campaigns.image("kite"), campaigns.video("clip", frame=campaigns.image("kite"))],
    "chain": lambda: campaigns.chain("hana"),
    "many": lambda: [campaigns.image(f"i{n}", f"prompt {n}") for n in range(24)],
}


class Crashing(Effects):
    """Counts what it observes, and kills the process at one of them."""

    def __init__(self, crash_at):
        self.crash_at = crash_at
        self.seen = []

    def observe(self, name, phase):
        self.seen.append(f"{phase} {name}")
        if len(self.seen) == self.crash_at:
            os.kill(os.getpid(), signal.SIGKILL)


async def once(root, base_url, access, secret, campaign, effects):
    environ = {"KLING_BASE_URL": base_url, "KLING_ACCESS_KEY": access, "KLING_SECRET_KEY": secret}
    workspace = open_workspace(Path(root), environ=environ)
    jobs = CAMPAIGNS[campaign]()
    seams = Seams(effects=effects)

    def planner(snapshot):
        return make_plan(jobs, snapshot)

    stop = asyncio.Event()
    with stop_on_signals(stop):
        print("ready", file=sys.stderr, flush=True)
        snapshot = await refresh(jobs, workspace, planner, seams=seams)
        return await run(planner(snapshot), workspace, settings=Settings(settle=0.2), seams=seams, stop=stop)


def main(root, base_url, access, secret, campaign, crash_at="0"):
    effects = Crashing(int(crash_at) if crash_at.isdecimal() else 0)
    result = asyncio.run(once(root, base_url, access, secret, campaign, effects))
    form = {"made": result.made, "reused": result.reused, "failed": result.failed, "waiting": result.waiting}
    errors = [one.message for one in result.outcomes if one.message]
    print(json.dumps({**form, "exit": result.exit_code, "errors": errors, "seen": effects.seen}))
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
