"""The page at `/_emulator/`: tasks with their state, request, results and units. Self-contained, everything escaped."""

from __future__ import annotations

import html
import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kling_pipe.emulator import task_json
from kling_pipe.emulator.state import State
from kling_pipe.emulator.task import Task

SHOWN = 100
HERE = Path(__file__).parent


def page(world: State) -> tuple[str, str]:
    """A nonce for the page's own style and script, and the page."""
    nonce, now = secrets.token_urlsafe(16), world.advance()
    tasks = world.index.all()[: -SHOWN - 1 : -1]
    cards = "".join(_task(world, task, now) for task in tasks) or "<p>Nothing has been asked for yet.</p>"
    head = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Emulated Kling</title>'
        f'<meta name="viewport" content="width=device-width"><style nonce="{nonce}">{_asset("inspector.css")}</style>'
    )
    title = (
        '<header><span class="pill">EMULATED</span><h1>Kling on this machine</h1><span class="when">'
        f"{_time(now)} · clock: {world.clock.mode} · {html.escape(str(world.state))}</span></header>"
    )
    body = f'{title}<section class="facts">{_facts(world, now)}</section>{cards}'
    script = f'<script nonce="{nonce}">{_asset("inspector.js")}</script>'
    return nonce, f'{head}<body data-version="{world.version}"><main>{body}</main>{script}</body></html>'


def _asset(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _facts(world: State, now: int) -> str:
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


def _task(world: State, task: Task, now: int) -> str:
    operation = world.operations[task.operation]
    state = task_json.status(operation, task, now)
    done = min(1.0, (now - task.created_at) / max(1, task.done_at - task.created_at))
    units = f"{task.units} {task.pack} units" if task.pack and task.succeeded(now) else ""
    message = f'<span class="failed">{html.escape(task.failure)}</span>' if task.failure and now >= task.done_at else ""
    progress = "" if now >= task.done_at else f'<progress value="{done:.3f}"></progress>'
    request = html.escape(json.dumps(task.body, indent=2, ensure_ascii=False))
    shown = html.escape(state)
    row = (
        f'<b>{html.escape(task.operation)}</b><span class="state {shown}">{shown}</span>{progress}{message}'
        f'<span class="when">{_time(task.created_at)}</span><span class="units">{html.escape(units)}</span>'
    )
    ids = f'<div class="id">{html.escape(task.external_id)} {task.task_id}</div>'
    details = f"<details><summary>request</summary><pre>{request}</pre></details>"
    return f'<article><div class="row">{row}</div>{ids}{_media(world, task, now)}{details}</article>'


def _media(world: State, task: Task, now: int) -> str:
    if not task.succeeded(now):
        return ""
    shown = []
    for items in task_json.full(world, task, now)["task_result"].values():
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
