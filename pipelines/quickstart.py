"""The quick start from Python: the same campaign, the same ledger, the same files as on the command line."""

from pathlib import Path

import kling_pipe

manifest = kling_pipe.load(Path(__file__).parent / "quickstart.yaml")
workspace = kling_pipe.open_workspace(manifest, emulator=True)
plan = kling_pipe.plan(manifest, workspace)
result = kling_pipe.run(plan, workspace, on_event=lambda event: print(event.type, event.address))
print(f"{result.made} made, {result.reused} reused, {result.failed} failed")
