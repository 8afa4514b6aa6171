"""Keys that earlier versions gave the same requests: a cell with a line break was read as git had checked it out.

All that a machine made then came from one form of the table. So a job that uses another one has a former key where the
other has one, and all take the same form together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kling_pipe.core.keys import key_of

if TYPE_CHECKING:
    from kling_pipe.manifest.job_builder import Draft

_FORMS = 2
"""With CRLF in every broken cell, and as the file has them."""


@dataclass(slots=True)
class FormerKeys:
    """Finds them in the order of the jobs. `keys` are today's, by address."""

    keys: Mapping[str, str]
    _then: tuple[dict[str, str], ...] = field(default_factory=lambda: tuple({} for _ in range(_FORMS)))

    def of(self, draft: Draft, key: str) -> tuple[str, ...]:
        """The former keys of a draft whose key is `key`: none where they are the same."""
        found = (self._in_form(draft, form, then) for form, then in enumerate(self._then))
        return tuple(dict.fromkeys(one for one in found if one and one != key))

    def _in_form(self, draft: Draft, form: int, then: dict[str, str]) -> str:
        request = draft.former[form] if draft.former else draft.built.request
        if not request or not (draft.former or any(need in then for need in draft.needs)):
            return ""
        found = key_of(draft.recipe.operation.name, request, lambda address: then.get(address) or self.keys[address])
        if found != self.keys[draft.address]:
            then[draft.address] = found
        return found
