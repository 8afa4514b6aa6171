"""What was made under a former key counts: the job is planned as it was made, and nothing is made anew. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from kling_pipe.model import Job, Step
from kling_pipe.planning.snapshot import Snapshot

NOTE = "it was made when its table was read with CRLF line ends: that counts"


def as_made(
    jobs: Sequence[Job], snapshot: Snapshot, replaced: Collection[str], retried: Collection[str]
) -> Sequence[Job]:
    """The jobs, each under the key that it was made under.

    A new attempt that was asked for (`replaced` and `retried` are addresses) is made under today's key: nothing may be
    sent under a key that digests another text. What is under way, or paid and not saved, is followed all the same.
    """
    if not any(job.former_keys for job in jobs):
        return jobs
    again = {job.identity for job in jobs if job.address in replaced}

    def of(job: Job) -> Job:
        then = snapshot.as_made(job)
        record = snapshot.known(then) if then is not job else None
        if record is None:
            return job
        is_replaced = job.identity in again and snapshot.unfinished(then) is None
        is_retried = job.address in retried and record.state == "failed"
        return job if is_replaced or is_retried else then

    return [of(job) if job.former_keys else job for job in jobs]


def noted(steps: Sequence[Step], jobs: Sequence[Job]) -> tuple[Step, ...]:
    """The steps, with a word where a job stands under a former key. `jobs` are as the manifest has them."""
    former = {(job.address, key) for job in jobs for key in job.former_keys}
    if not former:
        return tuple(steps)
    return tuple(
        replace(step, reasons=(*step.reasons, NOTE)) if (step.job.address, step.job.key) in former else step
        for step in steps
    )
