"""Before a create: no other account has the id. One that cannot tell may have it, and nothing is sent meanwhile.

What the plan knew of an account counts for nothing here, nor does the steady home of a job. Since the plan was made
another machine may have sent it elsewhere: without this account (`--account`), because that account had no units, with
other limits, with a pin. Nothing that is known on this machine tells these cases apart; only the account itself does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kling_pipe.catalog.operations import Operation
from kling_pipe.client import Found, InDoubt, NotFound, Refused
from kling_pipe.core.keys import external_id
from kling_pipe.engine.job_errors import FoundElsewhereError, SilentError
from kling_pipe.engine.lookup import find
from kling_pipe.engine.run_errors import UNANSWERED, error_of
from kling_pipe.engine.task_records import merge_found_task
from kling_pipe.errors import KlingPipeError
from kling_pipe.model import Record, Step
from kling_pipe.planning.multi_account import unasked

if TYPE_CHECKING:
    from kling_pipe.engine.account_pool import AccountRuntime

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0

_Answer = Found | NotFound | Refused | InDoubt | KlingPipeError


async def ask(
    others: Sequence[AccountRuntime], here: AccountRuntime, step: Step, operation: Operation, name: str
) -> None:
    """Return once all of them say that they have no task of this id. Raises FoundElsewhereError, SilentError.

    While one gives no clear answer all are asked again: what another one said a minute ago tells nothing of now.
    """
    context, loop = here.context, asyncio.get_running_loop()
    began, waited, wait = loop.time(), 0.0, _FIRST_WAIT
    while True:
        answers = await asyncio.gather(*(_answer(desk, step, operation, name) for desk in others))
        pairs = list(zip(others, answers, strict=True))
        for desk, answer in pairs:
            if isinstance(answer, Found):
                raise FoundElsewhereError(_found(desk, step, operation, name, answer))
        unclear = [(desk, answer) for desk, answer in pairs if not isinstance(answer, Found | NotFound)]
        if not unclear:
            return
        is_over = max(waited, loop.time() - began) > context.settings.patience
        for desk, answer in unclear:
            if is_over or not _is_passing(answer):
                raise _silent(desk, answer, [one.name for one in (here, *others) if one is not desk])
        desk, answer = unclear[0]
        reason = f"the account `{desk.name}` cannot be asked now: {_error(answer).message}"
        context.tell("retrying", _blank(here, step, name), reason=reason, seconds=wait)
        await context.sleep(wait)
        waited, wait = waited + wait, min(_LONGEST_WAIT, 2 * wait)


async def _answer(desk: AccountRuntime, step: Step, operation: Operation, name: str) -> _Answer:
    if (silent := desk.silence.now) is not None:
        return silent
    try:
        return await find(desk.context.client, operation, name, step.job.request)
    except KlingPipeError as error:  # it is that account's, and must not be taken for one of the account that sends
        return error


def _is_passing(answer: _Answer) -> bool:
    """Whether the next answer may be a clear one."""
    return isinstance(answer, InDoubt) or (isinstance(answer, Refused) and answer.row.read == "retry")


def _silent(desk: AccountRuntime, answer: _Answer, others: Sequence[str]) -> SilentError:
    error = desk.silence.now
    if error is None:
        error = unasked(desk.name, _error(answer), others)
        desk.silence.keep(error)
    return SilentError(f"the account `{desk.name}` cannot be asked whether it has it: {error.message}", error)


def _error(answer: _Answer) -> KlingPipeError:
    if isinstance(answer, KlingPipeError):
        return answer
    assert isinstance(answer, Refused | InDoubt)
    return error_of(answer, silent=UNANSWERED)


def _found(desk: AccountRuntime, step: Step, operation: Operation, name: str, answer: Found) -> Record:
    return merge_found_task(_blank(desk, step, name), operation, answer.task, desk.context.clock())


def _blank(desk: AccountRuntime, step: Step, name: str) -> Record:
    job = step.job
    stem = external_id(job.project, job.key, job.take)
    return Record(
        external_task_id=name,
        project=job.project,
        key=job.key,
        take=job.take,
        attempt=int(name.removeprefix(f"{stem}-a")) if name != stem else 1,
        operation=job.operation,
        account=desk.account,
        state="processing",
        address=job.address,
    )
