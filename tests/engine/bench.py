"""A workspace against an emulator, for tests: run jobs, ask the emulator what it was asked."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path

from kling_pipe.engine import Dependencies, Settings
from kling_pipe.engine.commands import refresh, run
from kling_pipe.engine.workspace import open_workspace
from kling_pipe.planning import make_plan

QUICK = Settings(settle=0.3, patience=20.0)


@dataclass
class Bench:
    """One user's folder and one account of one emulator."""

    running: object
    root: Path
    settings: Settings = QUICK
    events: list = field(default_factory=list)
    seams: Dependencies = field(default_factory=Dependencies)

    @property
    def workspace(self):
        environ = {
            "KLING_BASE_URL": self.running.base_url,
            "KLING_ACCESS_KEY": self.running.access_key,
            "KLING_SECRET_KEY": self.running.secret_key,
        }
        return open_workspace(self.root, environ=environ)

    def plan(self, jobs, **options):
        """The plan after asking the account, as a run makes it."""

        def planner(snapshot):
            return make_plan(jobs, snapshot, **options)

        snapshot = asyncio.run(refresh(jobs, self.workspace, planner, seams=self.seams))
        return planner(snapshot)

    def offline(self, jobs, **options):
        """The plan from what is known here alone."""
        return make_plan(jobs, self.workspace.snapshot(), **options)

    def run(self, jobs, *, create=True, settings=None, **options):
        """Look around, plan, run."""
        plan = self.plan(jobs, **options)
        return asyncio.run(
            run(
                plan,
                self.workspace,
                settings=settings or self.settings,
                on_event=self.events.append,
                seams=self.seams,
                create=create,
            )
        )

    def elsewhere(self, root):
        """The same account from another folder."""
        return replace(self, root=root, events=[])

    def path(self, relative):
        return self.root / relative

    def ledger(self):
        return call(self.running.base_url, "GET", "/_emulator/ledger")

    def faults(self, *rules):
        return call(self.running.base_url, "PUT", "/_emulator/faults", list(rules))

    def clock(self, **form):
        return call(self.running.base_url, "POST", "/_emulator/clock", form)

    def creates(self):
        """How often each external id was created."""
        return self.ledger()["creates"]

    def actions(self, jobs, **options):
        return {step.job.address: step.action for step in self.plan(jobs, **options).steps}


def call(base_url, method, path, form=None):
    data = json.dumps(form).encode() if form is not None else b"" if method == "POST" else None
    request = urllib.request.Request(base_url + path, data=data, method=method)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")
