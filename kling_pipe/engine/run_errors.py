"""What stops more than one job: refusals of a pack, a model or the whole run, and an account that cannot be asked."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

from kling_pipe.client import InDoubt, Refused
from kling_pipe.client.error_codes import Scope
from kling_pipe.errors import AccountError, CredentialsError, KlingPipeError, Unreachable

UNANSWERED = "Kling does not answer ({reason})"
"""What to say of no answer in the midst of something; `_UNREACHED` is for who asks first."""

_UNREACHED = "Kling cannot be reached: {reason}"
_REMEMBERED = 60.0
_NETWORK = "Check the network and KLING_BASE_URL."


class StoppedError(AccountError):
    """Kling refuses for a reason that other jobs share. `scope` says which."""

    def __init__(self, message: str, scope: Scope, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.scope = scope


@dataclass(slots=True)
class Stops:
    """What a run no longer submits to, and why."""

    run: CredentialsError | None = None
    packs: dict[str, StoppedError] = field(default_factory=dict)
    models: dict[str, StoppedError] = field(default_factory=dict)

    def add(self, error: CredentialsError, pack: str, model: str) -> None:
        """Remember a refusal met by a job of this pack and model."""
        scope = error.scope if isinstance(error, StoppedError) else "run"
        if isinstance(error, StoppedError) and scope == "pack":
            self.packs.setdefault(pack, error)
        elif isinstance(error, StoppedError) and scope == "model":
            self.models.setdefault(model, error)
        else:
            self.run = self.run or error

    def clear(self) -> None:
        """Forget them: who long-lived asks again from time to time."""
        self.run = None
        self.packs.clear()
        self.models.clear()

    def against(self, pack: str, model: str) -> CredentialsError | None:
        """The refusal that stops a job of this pack and model, if one does."""
        return self.run or self.packs.get(pack) or self.models.get(model)

    def first(self) -> CredentialsError | None:
        """The gravest refusal."""
        return self.run or next(iter((*self.packs.values(), *self.models.values())), None)


@dataclass(slots=True)
class Silence:
    """Why an account could not be asked last: not each of a thousand jobs has to find out anew.

    It counts for a minute (`until`, seconds of the event loop): somebody may mend a key, or the network.
    """

    error: KlingPipeError | None = None
    until: float = -math.inf

    def keep(self, error: KlingPipeError) -> None:
        """It could not be asked just now."""
        self.error, self.until = error, asyncio.get_running_loop().time() + _REMEMBERED

    def keep_for_good(self, error: KlingPipeError) -> None:
        """It cannot be asked as long as this process lives."""
        self.error, self.until = error, math.inf

    @property
    def now(self) -> KlingPipeError | None:
        """Why it need not be asked now."""
        return self.error if asyncio.get_running_loop().time() < self.until else None


def stop_for(answer: Refused) -> CredentialsError | None:
    """The error for a refusal that stops more than its job, else None."""
    if answer.row.stops in ("nothing", "job"):
        return None
    text = f"Kling refuses: {answer.message} (code {answer.code})"
    if answer.row.family == "auth":
        return CredentialsError(text, hint=answer.row.hint)
    return StoppedError(text, answer.row.stops, hint=answer.row.hint)


def error_of(
    answer: Refused | InDoubt, asked: str = "a look-up", *, silent: str = _UNREACHED, hint: str = _NETWORK
) -> KlingPipeError:
    """The error for an answer that does not say what was asked: a stop where the refusal is one, else Unreachable.

    `asked` is what Kling refuses; `silent` and `hint` are said where no answer came that can be believed.
    """
    if isinstance(answer, Refused):
        return stop_for(answer) or Unreachable(f"Kling refuses {asked}: {answer.code} {answer.message}")
    return Unreachable(silent.format(reason=answer.reason), hint=hint)
