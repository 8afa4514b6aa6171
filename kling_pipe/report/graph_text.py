"""Dependencies as a picture in mermaid or dot."""

from __future__ import annotations

from collections.abc import Sequence

from kling_pipe.model import Job

_SHAPES = {"element": ("([", "])", "ellipse"), "image": ("[", "]", "box"), "video": ("[[", "]]", "component")}


def _edges(jobs: Sequence[Job]) -> list[tuple[int, int]]:
    numbers = {job.address: number for number, job in enumerate(jobs)}
    return [(numbers[need], numbers[job.address]) for job in jobs for need in job.needs if need in numbers]


def mermaid(jobs: Sequence[Job]) -> str:
    """A mermaid flowchart, as GitHub and GitLab draw it in Markdown."""
    lines = ["flowchart LR"]
    for number, job in enumerate(jobs):
        left, right, _ = _SHAPES.get(job.kind, _SHAPES["image"])
        label = job.address.replace('"', "#quot;").replace("#", "#35;", 1) if "#" in job.address else job.address
        lines.append(f'  n{number}{left}"{label}"{right}')
    lines += [f"  n{source} --> n{target}" for source, target in _edges(jobs)]
    return "\n".join(lines)


def dot(jobs: Sequence[Job]) -> str:
    """A Graphviz digraph."""
    lines = ["digraph campaign {", "  rankdir=LR;", '  node [fontname="sans-serif"];']
    for number, job in enumerate(jobs):
        label = job.address.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'  n{number} [label="{label}", shape={_SHAPES.get(job.kind, _SHAPES["image"])[2]}];')
    lines += [f"  n{source} -> n{target};" for source, target in _edges(jobs)]
    return "\n".join([*lines, "}"])
