"""The entries of a manifest: what exists and what is to be made, with every word of a recipe accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kling_pipe.catalog.operations import Operation, find, operations
from kling_pipe.core.invalid import Invalid
from kling_pipe.core.json_tree import find_leaves
from kling_pipe.core.text import nearest, slug
from kling_pipe.manifest.keywords import PLURALS, RECIPE, SHOT
from kling_pipe.manifest.matrix import Cell, Matrix
from kling_pipe.manifest.media_values import MediaReader
from kling_pipe.manifest.operation_layout import OperationLayout, layout_of
from kling_pipe.manifest.problems import Path_, ProblemCollector
from kling_pipe.manifest.recipe_defaults import api_of, layered
from kling_pipe.manifest.reference_lookup import NotFound
from kling_pipe.manifest.references import ACCOUNT, NAME
from kling_pipe.manifest.scope import Broken, Existing, Recipe, Scope
from kling_pipe.manifest.templates import TemplateProblem, compile_text
from kling_pipe.manifest.yaml import Opened

EVERY = "*"
"""In `pick:`, all cells that are not named themselves."""

_MOST_TAKES = 999
_MOST_RETRIES = 20


@dataclass(slots=True)
class Entries:
    """Reads the entries of one scope. Names that are refused stay known as `Broken`, so that nothing echoes them."""

    scope: Scope
    trouble: ProblemCollector
    media: MediaReader
    profile: str
    opened: Opened

    def read(self, plural: str, kind: str) -> None:
        """All entries of a kind."""
        names = self.scope.entries.setdefault(kind, {})
        written = self.scope.data.get(plural)
        if written is None:
            return
        if not isinstance(written, Mapping):
            self.scope.document.is_whole = False
            if not isinstance(written, Invalid):
                self.trouble.add(
                    self.scope.document,
                    "KP102",
                    (plural,),
                    f"`{plural}` wants a mapping of names",
                    hint=f"Write each under a name of its own: `{plural}: {{opening: ...}}`.",
                )
            return
        for name, value in written.items():
            entry = self._entry(kind, name, value, (plural, name))
            names[str(name)] = entry if entry is not None else Broken((plural, name))

    def _add(self, id: str, path: Path_, message: str, **facts: Any) -> None:
        self.trouble.add(self.scope.document, id, path, message, **facts)

    def _entry(self, kind: str, name: Any, value: Any, path: Path_) -> Existing | Recipe | None:
        if not isinstance(name, str) or not NAME.match(name):
            meant = slug(str(name)).replace("-", "_").encode("ascii", "ignore").decode()
            self._add(
                "KP106",
                path,
                f"`{name}` cannot be a name",
                key=True,
                allowed="a to z, 0 to 9 and _, a letter first",
                near=meant if NAME.match(meant) else "",
                hint="Rename it: names become part of addresses and files.",
            )
            return None
        if name in self.scope.includes:
            self._add(
                "KP106", path, f"`{name}` is the name of an include already", key=True, hint="Rename one of them."
            )
            return None
        if self.scope.document.problems and has_hole(value):
            return None
        if isinstance(value, Mapping):
            return self._recipe(kind, name, value, path)
        return self._existing(kind, name, value, path)

    def filled(self, value: Any, path: Path_, title: str = "") -> Any:
        """A value beside the API's fields with its templates filled in: `vars` alone are known here."""
        if isinstance(value, Mapping):
            return {name: self.filled(item, (*path, name), title) for name, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item, (*path, index), title) for index, item in enumerate(value)]
        template = compile_text(value) if isinstance(value, str) else None
        if template is None:
            return value
        try:
            return template.value({"vars": self.scope.vars})
        except TemplateProblem as problem:
            if problem.id:
                self._add(
                    problem.id,
                    path,
                    problem.message,
                    address=title,
                    needle=problem.needle,
                    near=problem.near,
                    allowed=problem.allowed,
                    hint=problem.hint,
                )
            return None

    def _existing(self, kind: str, name: str, value: Any, path: Path_) -> Existing | None:
        title = f"{kind}.{self.scope.prefix}{name}"
        text = self.filled(value, path, title)
        if text is None and value is not None:
            return None
        if text is None or text == "":
            self._add(
                "KP103",
                path,
                f"`{name}` is empty",
                key=True,
                address=title,
                hint="Write a path, a URL, an id, or a recipe.",
            )
            return None
        try:
            literal = self.media.literal(text, kind, self.scope.folder)
        except NotFound as problem:
            self._add(
                problem.id,
                path,
                problem.message,
                address=title,
                near=problem.near,
                allowed=problem.allowed,
                hint=problem.hint,
            )
            return None
        for finding in literal.findings:
            self._add(
                finding.rule,
                path,
                finding.message,
                level=finding.level,
                address=title,
                found=finding.found,
                allowed=finding.allowed,
                hint=finding.hint,
                source=finding.source,
            )
        return Existing(literal.value, path)

    # -- recipes -------------------------------------------------------------------------------------------------

    def _recipe(self, kind: str, name: str, written: Mapping[str, Any], path: Path_) -> Recipe | None:
        title = f"{kind}.{self.scope.prefix}{name}"
        operation = self._operation(kind, written, path, title)
        if operation is None:
            return None
        layers = layered(self.scope, kind, self.profile, operation, written, path)
        misspelt = self._misspelt(operation, written, path, title)
        cells = self._cells(written.get("matrix"), path, title)
        if not cells:
            return None
        recipe = Recipe(
            self.scope,
            kind,
            name,
            path,
            operation,
            layers.fields,
            layers.origins,
            layers.inherited,
            layers.tool,
            cells,
            misspelt=misspelt,
        )
        takes = self._count(recipe, "takes", 1, 1, _MOST_TAKES)
        recipe.takes = takes or 1
        # Without a number of takes nobody can say which of them may be picked.
        recipe.pick, recipe.picks = self._picks(recipe) if takes else (1, {})
        retries = self.scope.data.get("retries", 0)
        recipe.retries = self._count(recipe, "retries", retries, 0, _MOST_RETRIES) or 0
        recipe.frozen = self._flag(recipe, "frozen")
        recipe.account = self._account(recipe)
        return recipe

    def _cells(self, spec: Any, path: Path_, title: str) -> list[Cell]:
        if spec is None:
            return [Cell()]
        path = (*path, "matrix")
        if not isinstance(spec, Mapping) or not spec:
            self._add("KP102", path, "`matrix` wants axes", address=title, allowed="axis: [value, value]")
            return []

        def fill(value: Any, where: Path_) -> Any:
            return self.filled(value, where, title)

        return Matrix(
            self.scope.document, path, spec, self.scope.folder, self.trouble, title, fill, self.opened
        ).cells()

    def _operation(self, kind: str, written: Mapping[str, Any], path: Path_, title: str) -> Operation | None:
        api, where = api_of(self.scope, kind, self.profile, written, path)
        operation = find(api) if isinstance(api, str) else None
        if operation is not None and operation.kind == kind:
            return operation
        fitting = [one.name for one in operations().values() if one.kind == kind]
        made = f": it makes {PLURALS.get(operation.kind, operation.kind)}" if operation else ""
        self._add(
            "KP105",
            where,
            f"`{api}` is no operation for {PLURALS[kind]}{made}",
            address=title if where[:2] == path else "",
            near=nearest(str(api), fitting),
            allowed=", ".join(fitting),
        )
        return None

    def _misspelt(self, operation: Operation, written: Mapping[str, Any], path: Path_, title: str) -> frozenset[str]:
        """Report the words that this operation has no field for; the fields that were probably meant."""
        form = layout_of(operation)
        known = [word for word in (*operation.fields, *form.sugar, *RECIPE) if word not in form.owned]
        if not form.shots:
            known.remove("shots")
        meant: set[str] = set()
        for word in written:
            if word in form.owned:
                self._add(
                    "KP107",
                    (*path, word),
                    f"`{word}` belongs to kling-pipe",
                    key=True,
                    address=title,
                    hint="Remove it: the id follows from the content; a callback goes by `--callback-url`.",
                )
            elif word not in known:
                others = [
                    one.name for one in operations().values() if one.kind == operation.kind and word in one.fields
                ]
                near = "" if others else nearest(str(word), known)
                meant |= _fields_behind(near, form)
                hint = "A field that kling-pipe does not know yet goes under `raw:`."
                if others:
                    hint = f"It belongs to {', '.join(others[:3])}: leave it out, or write `api: {others[0]}`."
                self._add(
                    "KP101",
                    (*path, word),
                    f"`{operation.name}` has no field `{word}`",
                    key=True,
                    address=title,
                    near=near,
                    hint=hint,
                )
        return frozenset(meant)

    def _count(self, recipe: Recipe, word: str, default: int, least: int, most: int) -> int | None:
        """A whole number among the tool's words; None when it is none, which is reported."""
        if word not in recipe.tool:
            return default if isinstance(default, int) else None
        return self._whole(recipe, word, recipe.tool[word], recipe.origins[word], least, most)

    def _whole(self, recipe: Recipe, word: str, written: Any, path: Path_, least: int, most: int) -> int | None:
        value = self.filled(written, path, recipe.title)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            if value is not None or written is None:
                self._add(
                    "KP106",
                    path,
                    f"`{word}: {_plain(value)}` is not possible here",
                    address=recipe.title,
                    allowed=f"{least} to {most}",
                )
            return None
        return value

    def _picks(self, recipe: Recipe) -> tuple[int, Mapping[str, int]]:
        """The take that counts where no cell says otherwise, and those of cells: `pick: {jp-16x9: 2, "*": 3}`."""
        written = recipe.tool.get("pick")
        if not isinstance(written, Mapping):
            return self._count(recipe, "pick", 1, 1, recipe.takes) or 1, {}
        found: dict[str, int] = {}
        for name, value in written.items():
            path = (*recipe.origins["pick"], name)
            if str(name) not in (EVERY, *recipe.by_slug):
                self._add(
                    "KP106",
                    path,
                    f"`{recipe.title}` has no cell `{name}`",
                    key=True,
                    address=recipe.title,
                    near=nearest(str(name), recipe.by_slug),
                    allowed=", ".join([*list(recipe.by_slug)[:8], f'"{EVERY}"']),
                )
            elif number := self._whole(recipe, "pick", value, path, 1, recipe.takes):
                found[str(name)] = number
        return found.pop(EVERY, 1), found

    def _account(self, recipe: Recipe) -> str:
        """The name of the account that a recipe asks for; which there are, the settings say."""
        if recipe.tool.get("account") is None:
            return ""
        value = self.filled(recipe.tool["account"], recipe.origins["account"], recipe.title)
        if not (isinstance(value, str) and ACCOUNT.match(value)):
            self._add(
                "KP106",
                recipe.origins["account"],
                f"`account: {_plain(value)}` is no name of an account",
                address=recipe.title,
                allowed="a to z, 0 to 9, _ and -, a letter first",
                hint="Write a name that stands under [accounts] in kling-pipe.toml.",
            )
            return ""
        return value

    def _flag(self, recipe: Recipe, word: str) -> bool:
        if word not in recipe.tool:
            return False
        value = self.filled(recipe.tool[word], recipe.origins[word], recipe.title)
        if not isinstance(value, bool):
            self._add(
                "KP106",
                recipe.origins[word],
                f"`{word}: {_plain(value)}` is not possible here",
                address=recipe.title,
                allowed="true or false",
            )
        return value is True


def _fields_behind(word: str, form: OperationLayout) -> set[str]:
    """The API fields that a word of a recipe fills."""
    if word == "shots" and form.shots:
        return {*form.shots.fields, form.shots.sum, *SHOT}
    spec = form.sugar.get(word)
    if spec is None:
        return {word} if word else set()
    return {word, str(spec.get("list", spec.get("field"))).strip("/").split("/")[0]}


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return {dict: "a mapping", list: "a list", type(None): "null"}.get(type(value), str(value)[:40])


def has_hole(value: Any) -> bool:
    """Whether something inside a value was refused by the reader."""
    return next(find_leaves(value, Invalid), None) is not None
