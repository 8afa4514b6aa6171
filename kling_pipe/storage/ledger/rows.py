"""Records as database rows, and back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from kling_pipe.core.redact import bare
from kling_pipe.model import Output, Record

COLUMNS = (
    "external_task_id, project, key, take, attempt, operation, account, state, address, task_id, message, failure,"
    " outputs, units, created_at, updated_at"
)
_DEFAULTS = Output(index=0)


def encoded(record: Record) -> tuple[Any, ...]:
    """A record as the values of `COLUMNS`."""
    outputs = json.dumps([output_form(output) for output in record.outputs], ensure_ascii=False)
    return (
        record.external_task_id,
        record.project,
        record.key,
        record.take,
        record.attempt,
        record.operation,
        record.account,
        record.state,
        record.address,
        record.task_id,
        record.message,
        record.failure,
        outputs,
        record.units,
        record.created_at,
        record.updated_at,
    )


def decoded(row: tuple[Any, ...]) -> Record:
    """The values of `COLUMNS` as a record. What an older version kept of a link is cut."""
    values = list(row)
    values[12] = tuple(kept(Output(**form)) for form in json.loads(row[12]))
    return Record(*values)


def kept(output: Output) -> Output:
    """The output as it may lie on a disk: whoever reads a signed link may fetch what it leads to.

    Its place stays; the link is asked for anew. One that cannot be asked for is kept until the file is.
    """
    place = bare(output.url)
    if place == output.url or (output.sole and not output.sha256):
        return output
    return replace(output, url=place, url_at=0, sole=False)


def output_form(output: Output) -> dict[str, Any]:
    """An output as JSON, without what it does not have, and with its link as `kept` leaves it."""
    names = ("index", "url", "url_at", "id", "duration", "element_id", "path", "sha256", "size", "sole")
    known = kept(output)
    form = {name: getattr(known, name) for name in names}
    return {name: value for name, value in form.items() if value != getattr(_DEFAULTS, name)}
