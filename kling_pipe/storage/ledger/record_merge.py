"""Two records of one task as one: order and repetition change nothing, and no task id gets lost. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from kling_pipe.model import Output, Record
from kling_pipe.storage.ledger.rows import output_form

_FINAL = {"succeed": 7, "failed": 6, "processing": 5, "submitted": 4, "intent": 3}
"""How much a record of a task that Kling knows says. Below it: an intent, which is looked up, and a refusal."""


class TwoTasksError(ValueError):
    """Two ledgers know different tasks under one external id: no rule can say which one counts."""


def merge_records(one: Record, other: Record) -> Record:
    """What both know of a task: the later state, and every output as far as either has it. Raises TwoTasksError."""
    if one.task_id and other.task_id and one.task_id != other.task_id:
        raise TwoTasksError(one.external_task_id)
    late = max(one, other, key=_rank)
    return _with_outputs(late, (*one.outputs, *other.outputs))


def _rank(record: Record) -> tuple[int, int, str]:
    return (_state(record), record.updated_at, _text(record))


def _state(record: Record) -> int:
    if record.state == "succeed" or record.task_id:
        return _FINAL[record.state]
    # Nothing is known to be at Kling. What may be there is looked up; a refusal is sent again only by the next run.
    return 2 if record.state != "failed" else 0 if record.failure == "refused" else 1


def _with_outputs(record: Record, outputs: Iterable[Output]) -> Record:
    best: dict[int, Output] = {}
    for output in outputs:
        best[output.index] = max(best.get(output.index, output), output, key=_output_rank)
    return replace(record, outputs=tuple(best[index] for index in sorted(best)))


def _output_rank(output: Output) -> tuple[bool, int, str]:
    return (bool(output.sha256), output.url_at, json.dumps(output_form(output), sort_keys=True))


def _text(record: Record) -> str:
    form: dict[str, Any] = {name: getattr(record, name) for name in record.__slots__ if name != "outputs"}
    return json.dumps(form, sort_keys=True)
