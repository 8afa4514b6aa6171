"""Sessions: what a call before a create opens, and the create names. How such calls look: `x-kling.prepare`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kling_pipe.catalog.operations import Operation
from kling_pipe.core.json_pointer import parts
from kling_pipe.core.json_tree import map_leaves
from kling_pipe.emulator.answers import Refusal
from kling_pipe.emulator.state_db import StateDb

_FIRST = 870_000_000_000_000_007
_STEP = 15_838
_KEPT_MS = 24 * 3600 * 1000
Step = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Session:
    """An open session. `sent` is what it was opened with, by field; `expires` in ms."""

    session_id: str
    account: str
    operation: str
    sent: dict[str, Any]
    expires: int


class Sessions:
    """All sessions of an emulator, kept in its folder."""

    def __init__(self, storage: StateDb) -> None:
        self._storage = storage
        self._known = {name: Session(**saved) for name, saved in (storage.get("sessions") or {}).items()}

    def clear(self) -> None:
        """Forget them all."""
        self._known.clear()
        self._storage.set("sessions", {})

    def open(self, account: str, operation: Operation, sent: Mapping[str, Any], now: int) -> Session:
        """A new session."""
        name = str(_FIRST + len(self._known) * _STEP)
        session = Session(name, account, operation.name, dict(sent), now + _KEPT_MS)
        self._known[name] = session
        self._storage.set("sessions", {one.session_id: asdict(one) for one in self._known.values()})
        return session

    def find(self, account: str, operation: Operation, name: Any, now: int) -> Session:
        """An open session by its id. Raises Refusal 1201."""
        session = self._known.get(str(name))
        if session is None or (session.account, session.operation) != (account, operation.name):
            raise Refusal(1201, f"Session not found by id: {name}")
        if now >= session.expires:
            raise Refusal(1201, f"Session has expired: {name}")
        return session

    def completed(self, account: str, operation: Operation, body: dict[str, Any], now: int) -> dict[str, Any]:
        """A create's body with what its session was opened with. Raises Refusal 1201 for a session that is not open."""
        for name in keeps(operation):
            if not body.get(name):
                raise Refusal(1201, f"{name} can not be null")
            body = {**self.find(account, operation, body[name], now).sent, **body}
        return body


def keeps(operation: Operation) -> list[str]:
    """The fields of a create that an earlier call gives."""
    steps = operation.kling.get("prepare", ())
    return [parts(place)[0] for step in steps for place in step.get("keeps", {}).values()]


def given(step: Step, body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a call must have, checked: one of those that open a session, else all. Raises Refusal 1201."""
    found = {name: body[name] for name in step["sends"] if body.get(name) not in (None, "", [])}
    if "keeps" in step:
        if len(found) != 1:
            wrong = "can not be null" if not found else "can not stand together"
            raise Refusal(1201, f"{' and '.join(step['sends'])} {wrong}")
        return found
    if missing := [name for name in step["sends"] if name not in found]:
        raise Refusal(1201, f"{missing[0]} can not be null")
    return found


def filled(template: Any, words: Mapping[str, Any]) -> Any:
    """An answer's shape with its words (`"{ms}"`) replaced by values."""
    return map_leaves(template, lambda leaf: words[leaf[1:-1]] if isinstance(leaf, str) and leaf[:1] == "{" else leaf)
