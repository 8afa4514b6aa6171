"""Every error that kling-pipe raises on purpose, as one family.

    KlingPipeError                    70   a bug, unless a subclass says otherwise
    +-- ManifestInvalid                3   problems in a manifest or a request; nothing was sent
    +-- CredentialsError               4   missing, refused or expired credentials
    |   +-- AccountError               4   the account may not do this (arrears, empty pack, no right)
    +-- BudgetExceeded                 5   it would cost more than the budget; what goes beyond it was not sent
    +-- UsageError                    64   the command line is wrong
    +-- Unreachable                   69   Kling does not answer
    +-- LocalStateError               74   local files, ledger or lock
    +-- StillRunning                  75   stopped waiting; the tasks go on
    +-- Interrupted                  130   a signal; the state is saved

The numbers are exit codes (the command line's only contract with a shell).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_pipe.model import Problem


class KlingPipeError(Exception):
    """Root of the family. `hint` is the next step, one sentence, shown after the message."""

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ManifestInvalid(KlingPipeError):
    """A manifest or a request is wrong. Carries every problem that was found, not the first.

    `addresses` are the jobs that could be read, wrong or not.
    """

    exit_code = 3

    def __init__(self, problems: Sequence[Problem], *, hint: str = "", addresses: Sequence[str] = ()) -> None:
        count = sum(1 for problem in problems if problem.level == "error")
        super().__init__(f"{count} problem{'' if count == 1 else 's'}; nothing was sent", hint=hint)
        self.problems = tuple(problems)
        self.addresses = tuple(addresses)


class CredentialsError(KlingPipeError):
    """No credentials, or Kling refuses them."""

    exit_code = 4


class AccountError(CredentialsError):
    """The account is known but may not do this: arrears, an empty pack, a missing right."""


class BudgetExceeded(KlingPipeError):
    """A plan, or runs that overlap, would cost more than the budget allows; what goes beyond it was not sent."""

    exit_code = 5


class UsageError(KlingPipeError):
    """The command line, or an argument of the Python API, is wrong."""

    exit_code = 64


class Unreachable(KlingPipeError):
    """Kling cannot be reached, or answers nonsense for too long."""

    exit_code = 69


class LocalStateError(KlingPipeError):
    """A local file, the ledger or the lock cannot be read or written."""

    exit_code = 74


class StillRunning(KlingPipeError):
    """We stopped waiting; the tasks go on at Kling. Run again to go on."""

    exit_code = 75


class Interrupted(KlingPipeError):
    """A signal stopped the run; the state is saved."""

    exit_code = 130
