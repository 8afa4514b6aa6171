"""The page at `/_emulator/`: tasks with their state, request, results and units. Self-contained, everything escaped."""

from __future__ import annotations

import html
import json
import secrets
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from kling_pipe.emulator import results
from kling_pipe.emulator.task import Task
from kling_pipe.emulator.world import World

SHOWN = 100

STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1b1e26, #e8eaf0); --soft: light-dark(#667, #99a);
  --ground: light-dark(#f4f5f8, #14161c); --card: light-dark(#fff, #1d2029); --line: light-dark(#dde0e8, #2c303c);
  --accent: #ffc43d; --good: light-dark(#17803d, #5bd08a); --bad: light-dark(#b3261e, #ff8a80); }
* { box-sizing: border-box } body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground) }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1rem 4rem } h1 { font-size: 1.4rem; margin: 0 }
header { display: flex; gap: 1rem; align-items: center; flex-wrap: wrap; margin-bottom: 1.5rem }
.pill { background: var(--accent); color: #14161c; border-radius: 99px; padding: .1rem .8rem; font-weight: 700; font-size: .8rem }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; margin-bottom: 1.5rem }
.fact, article { background: var(--card); border: 1px solid var(--line); border-radius: 12px }
.fact { padding: .7rem 1rem } .fact b { display: block; font-size: 1.3rem } .fact span, .when { color: var(--soft); font-size: .85rem }
article { padding: 1rem; margin-bottom: .8rem } .row { display: flex; gap: .8rem; align-items: baseline; flex-wrap: wrap }
.state { font-weight: 600 } .succeed { color: var(--good) } .failed { color: var(--bad) } .id { font-family: ui-monospace, monospace; font-size: .85rem }
.media { display: flex; gap: .6rem; flex-wrap: wrap; margin-top: .7rem } .media > * { max-height: 11rem; max-width: 100%; border-radius: 8px }
progress { width: 8rem; accent-color: var(--accent) } summary { cursor: pointer; color: var(--soft); font-size: .85rem; margin-top: .5rem }
pre { overflow: auto; background: var(--ground); border-radius: 8px; padding: .8rem; font-size: .8rem; margin: .5rem 0 0 } .units { margin-left: auto }
"""

# Reload when something changed, unless the reader has a request open or a clip playing.
SCRIPT = """
const seen = document.body.dataset.version;
setInterval(async () => {
  const busy = document.querySelector('details[open]') || [...document.querySelectorAll('video')].some(clip => !clip.paused);
  if (busy || document.hidden) return;
  const now = await fetch('/_emulator/health').then(answer => answer.json()).catch(() => null);
  if (now && String(now.version) !== seen) location.reload();
}, 1000);
"""


def page(world: World) -> tuple[str, str]:
    """A nonce for the page's own style and script, and the page."""
    nonce, now = secrets.token_urlsafe(16), world.advance()
    tasks = world.index.all()[: -SHOWN - 1 : -1]
    cards = "".join(_task(world, task, now) for task in tasks) or "<p>Nothing has been asked for yet.</p>"
    return nonce, (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Emulated Kling</title>'
        f'<meta name="viewport" content="width=device-width"><style nonce="{nonce}">{STYLE}</style>'
        f'<body data-version="{world.version}"><main><header><span class="pill">EMULATED</span><h1>Kling on this machine</h1>'
        f'<span class="when">{_time(now)} · clock: {world.clock.mode} · {html.escape(str(world.state))}</span></header>'
        f'<section class="facts">{_facts(world, now)}</section>{cards}</main><script nonce="{nonce}">{SCRIPT}</script></body></html>'
    )


def _facts(world: World, now: int) -> str:
    tasks = world.index.all()
    facts: list[tuple[str, Any]] = [
        ("tasks", len(tasks)),
        ("in flight", sum(1 for task in tasks if now < task.done_at)),
        ("refused duplicates", sum(world.tally.duplicates.values())),
        ("requests", sum(world.tally.kinds.values())),
    ]
    for packs in world.billed.values():
        facts += [(f"{pack} units", f"{units:g}") for pack, units in packs.items()]
    facts += [(f"slots of {pool.partition('/')[2]}", used) for pool, used in world.slots.used.items()]
    return "".join(
        f'<div class="fact"><b>{html.escape(str(value))}</b><span>{html.escape(name)}</span></div>'
        for name, value in facts
    )


def _task(world: World, task: Task, now: int) -> str:
    operation = world.operations[task.operation]
    state = results.status(operation, task, now)
    done = min(1.0, (now - task.created_at) / max(1, task.done_at - task.created_at))
    units = f"{task.units} {task.pack} units" if task.pack and task.succeeded(now) else ""
    message = f'<span class="failed">{html.escape(task.failure)}</span>' if task.failure and now >= task.done_at else ""
    progress = "" if now >= task.done_at else f'<progress value="{done:.3f}"></progress>'
    request = html.escape(json.dumps(task.body, indent=2, ensure_ascii=False))
    return (
        f'<article><div class="row"><b>{html.escape(task.operation)}</b><span class="state {html.escape(state)}">{html.escape(state)}</span>'
        f'{progress}{message}<span class="when">{_time(task.created_at)}</span><span class="units">{units}</span></div>'
        f'<div class="id">{html.escape(task.external_id)} {task.task_id}</div>{_media(world, task, now)}'
        f"<details><summary>request</summary><pre>{request}</pre></details></article>"
    )


def _media(world: World, task: Task, now: int) -> str:
    if not task.succeeded(now):
        return ""
    shown = []
    for items in results.full(world, task, now)["task_result"].values():
        for item in items if isinstance(items, list) else ():
            if "element_id" in item:
                shown.append(f'<span class="id">element {item["element_id"]} · {html.escape(item["status"])}</span>')
            elif "url" in item:
                shown.append(_preview(item["url"]))
    return f'<div class="media">{"".join(shown)}</div>'


def _preview(url: str) -> str:
    parts = urlsplit(url)
    here = html.escape(f"{parts.path}?{parts.query}")  # without the host, which may be another one's (`--public-url`)
    if parts.path.endswith(".mp4"):
        return f'<video src="{here}" controls muted preload="metadata"></video>'
    return f'<img src="{here}" alt="" loading="lazy">'


def _time(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
