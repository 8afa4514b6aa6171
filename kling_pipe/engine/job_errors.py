"""Why one job cannot go on, while the rest of the run can."""

from __future__ import annotations

from kling_pipe.errors import KlingPipeError
from kling_pipe.model import Record


class JobError(KlingPipeError):
    """Ends one job. The text is the reason, as a sentence."""

    exit_code = 1


class UnusableInputError(JobError):
    """An upstream result cannot be handed to Kling."""


class UnknownStatusError(JobError):
    """Kling names a status that this version does not know: no reason to keep waiting."""


class UnreadableError(JobError):
    """What Kling answers about a task cannot be read, also when it is asked again: the task is kept for later runs."""


class UnfetchedError(JobError):
    """Links to a result do not give it, and Kling hands out fresh ones: it is kept for later runs."""


KEPT = (UnreadableError, UnfetchedError)
"""What leaves the task at Kling and its id here, so that the job waits."""


class LostError(JobError):
    """A result that was made and paid is nowhere any more: not here, not at its URL, not in the account."""


class NoRoomError(JobError):
    """A run that does not wait found no free slot: the job is for the next run."""


class OverBudgetError(JobError):
    """The task would cost more than the budget allows: nothing was sent."""


class UnseenError(JobError):
    """An id that was sent before is refused, and its task is not to be seen: the next run looks again."""


class SilentError(NoRoomError):
    """Another account that may have the task cannot be asked: nothing is sent. `error` is what it met."""

    def __init__(self, message: str, error: KlingPipeError) -> None:
        super().__init__(message)
        self.error = error


class FoundElsewhereError(Exception):
    """No failure: another account has the task that was about to be made. `record` says which."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.external_task_id)
        self.record = record


class OvertakenError(Exception):
    """No failure: this process counted as gone before it sent a create. The job begins anew, with its claim."""
