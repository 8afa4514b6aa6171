"""A campaign over several accounts of one emulator: its settings, its credentials, and which account has what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from scenario import Stage

from kling_pipe import api
from kling_pipe.engine.account_settings import account_specs


@dataclass
class Pair(Stage):
    """`order` is that of the settings; `limits` are slots of pictures by account, `hosts` other emulators."""

    order: tuple[str, ...] = ("main", "second")
    spread: str = "steady"
    limits: tuple[tuple[str, int], ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()

    @property
    def table(self) -> dict[str, dict]:
        found = {}
        for name in self.order:
            found[name] = {"access_key_env": f"KEY_OF_{name.upper()}", "secret_key_env": f"SECRET_OF_{name.upper()}"}
            if name in dict(self.limits):
                found[name]["limits"] = {"image": dict(self.limits)[name]}
            if name in dict(self.hosts):
                found[name]["base_url"] = dict(self.hosts)[name]
        return found

    def write(self, text: str) -> Pair:
        super().write(text)
        lines = [f'spread = "{self.spread}"']
        for name, form in self.table.items():
            lines.append(f"[accounts.{name}]")
            for word, value in form.items():
                shown = f"{{ image = {value['image']} }}" if isinstance(value, dict) else f'"{value}"'
                lines.append(f"{word} = {shown}")
        (self.root / "kling-pipe.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self

    @property
    def environ(self) -> dict[str, str]:
        found = {"KLING_BASE_URL": self.running.base_url}
        for name in self.order:
            found[f"KEY_OF_{name.upper()}"] = f"{self.running.access_key}.{name}"
            found[f"SECRET_OF_{name.upper()}"] = self.running.secret_key
        return found

    def workspace_of(self, *names: str):
        specs = account_specs(self.table, names)
        manifest = self.root / "kling-pipe.yaml"
        return api.open_workspace(manifest, environ=self.environ, accounts=specs, spread=self.spread)

    @property
    def workspace(self):
        return self.workspace_of()

    def made_in(self) -> Counter[str]:
        """How many blocks of the lock belong to each account."""
        names = {one.account: one.name for one in self.workspace.each}
        return Counter(names[block["account"]] for block in self.blocks().values())
