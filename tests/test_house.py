"""The house rules: who may import whom, what waits, how large a file gets, where effects and API names may stand."""

from __future__ import annotations

import ast
import json
import os
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from house import Source, circle, effect, sources

ROOT = Path(__file__).resolve().parent.parent

LADDER = (
    ("model",),
    ("core", "errors"),
    ("catalog",),
    ("storage",),
    ("media",),
    ("planning",),
    ("client", "emulator"),
    ("manifest",),
    ("engine",),
    ("report",),
    ("api",),
    ("editor",),
    ("top",),
    ("cli",),
    ("__main__",),
)
"""Floors, the ground first: a part imports from lower floors only. `top` is `kling_pipe/__init__.py`."""

FLOOR = {name: number for number, names in enumerate(LADDER) for name in names}

HOMES = {
    "aiohttp": {"client"},
    "yarl": {"client"},
    "httpx": {"client"},
    "httpx2": {"client"},
    "jinja2": {"manifest.templates", "report"},
    "yaml": {"manifest.yaml"},
    "jsonschema": {"catalog.validation"},
    "PIL": {"emulator", "media"},
    "av": {"emulator", "media"},
    "jwt": {"client.credentials", "emulator"},
    "starlette": {"emulator", "report.contact_sheet.live_server"},
    "uvicorn": {"emulator", "report.contact_sheet.live_server"},
    "obstore": {"storage.outputs"},
    "psycopg": {"engine.fleet", "storage.ledger"},
    "pgqueuer": {"engine.fleet"},
    "sqlite3": {"emulator", "storage.effects", "storage.ledger"},
    "pygls": {"editor.lsp"},
    "lsprotocol": {"editor.lsp"},
    "rich": {"report", "cli"},
    "click": {"report", "cli"},
    "platformdirs": {"cli", "engine.workspace"},
    "uvloop": {"api", "engine", "emulator"},
    "opentelemetry": {"report.otel"},
}
"""Which rooms, or parts of one, may import a package. What is not listed here may not be imported at all."""

MAIN = "from kling_pipe.cli import main; main"

HEAVY = {*HOMES, "asyncio", "dataclasses", "pathlib", "tempfile"} - {"click"}
"""What `import kling_pipe`, `--version` and `--help` must not wait for."""

EFFECTS = {
    "storage.effects": "the seam itself",
    "emulator": "plays Kling: its disk is not ours, and its own tests kill it",
    "storage.outputs.local": "hands the open .part of a download to whoever fetches it",
    "cli": "files that a person names (a first manifest, events, a saved plan) or that tell of a bug; no state",
    "engine.workspace": "the .gitignore of a state folder",
    "report.api_docs": "a generator: writes documentation in a checkout",
}
"""Where files may be changed without the seam, and why that is safe for money and results."""

NAMES_THE_API = {"manifest.keywords": "the operation that a kind means when `api:` is absent"}

PROTOCOL = {"external_task_id", "callback_url", "model_name", "element_id"}
"""Fields that every request or record has, and that the tool itself works with."""

NAMES_FIELDS = {
    "cli.doctor": "the smallest request to try an account with; the emulator refuses it when a field is wrong",
    "emulator": "plays Kling: how its answers look is its subject, and the client's data may not say it",
    "catalog.api_v2.schema": "the one field of the second standard's settings that stands in two places",
}
"""Where names of API fields may be written out, and why."""


@cache
def house() -> tuple[Source, ...]:
    return tuple(sources(ROOT / "kling_pipe"))


@cache
def committed() -> dict[str, str]:
    """Every text file that git carries, by path: what is there and is not named in .gitignore."""
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split() if line != "#"]
    found = {}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name != ".git" and not any(fnmatch(name, one) for one in ignored)]
        for path in (Path(folder, name) for name in files if not any(fnmatch(name, one) for one in ignored)):
            data = path.read_bytes()
            if b"\0" not in data:
                found[path.relative_to(ROOT).as_posix()] = data.decode(errors="replace")
    return found


def within(name: str, places: Iterable[str]) -> bool:
    return any(f"{name}.".startswith(f"kling_pipe.{place}.") for place in places)


def inner_imports(source: Source, *, at_start: bool = False) -> Iterator[str]:
    """Modules of our own house that a source imports; with `at_start` only those that load together with it."""
    known = {one.name for one in house()}
    for one in source.imports():
        if one.name.split(".")[0] == "kling_pipe" and (one.at_start or not at_start):
            yield one.name if one.name in known else one.name.rpartition(".")[0]


def room(module: str) -> str:
    return [*module.split("."), "top"][1]


def test_every_part_of_the_house_stands_on_one_floor() -> None:
    """A new module says where it belongs before it is used, and a floor names nothing that is gone."""
    rooms = {one.room for one in house()}

    assert sorted(rooms - FLOOR.keys()) == []
    assert sorted(FLOOR.keys() - rooms) == []
    assert sum(map(len, LADDER)) == len(FLOOR)


def test_the_architecture_page_draws_this_very_ladder() -> None:
    """The picture that people read has the same parts in the same order."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = page.partition("## The ladder")[2].split("```")[1]
    rows = [[FLOOR[name] for name in re.findall(r"\w+", line[:40]) if name in FLOOR] for line in drawn.splitlines()]
    floors = [row for row in rows if row]
    names = {name for line in drawn.splitlines() for name in re.findall(r"\w+", line[:40])}

    assert FLOOR.keys() - {"top", "__main__"} == names
    assert sorted(floors, key=max, reverse=True) == floors
    assert [floor for floor in floors if len(set(floor)) > 1] == []


def test_imports_point_down() -> None:
    """A part of the house knows only what is below it."""
    upward = [
        f"{source.name} -> {module}"
        for source in house()
        for module in inner_imports(source)
        if room(module) != source.room and FLOOR.get(room(module), 0) >= FLOOR.get(source.room, 99)
    ]

    assert upward == []


def test_no_circle_at_import_time() -> None:
    """Modules load one after the other, in some order that works."""
    edges = {one.name: set(inner_imports(one, at_start=True)) for one in house()}

    assert circle(edges) == []


@pytest.mark.parametrize(("part", "stranger"), [("emulator", "client"), ("emulator", "engine"), ("client", "emulator")])
def test_client_and_emulator_are_strangers(part: str, stranger: str) -> None:
    """What one misreads, the other must not misread in the same way by sharing its code."""
    met = [one.name for one in house() if one.room == part and stranger in map(room, inner_imports(one))]

    assert met == []


def test_emulator_and_client_share_the_second_standards_data_alone() -> None:
    """How a request is written in it and how it is read are two people's work: what one misreads, a test must see."""
    shared = {"kling_pipe.catalog.api_v2.table", "kling_pipe.catalog.api_v2.schema"}
    met = {
        module
        for one in house()
        if one.room == "emulator"
        for module in inner_imports(one)
        if module.startswith("kling_pipe.catalog.api_v2")
    }

    assert met == shared


def test_other_peoples_packages_are_imported_where_they_live() -> None:
    """Each package has one home or two, so that it can be replaced there."""
    strays = [
        f"{source.name} imports {top}"
        for source in house()
        for top in sorted({one.name.split(".")[0] for one in source.imports()})
        if top in HOMES or top not in {*sys.stdlib_module_names, "kling_pipe"}
        if not within(source.name, HOMES.get(top, ()))
    ]

    assert strays == []


def test_files_stay_small() -> None:
    """A file is one idea."""
    lines = {one.name: one.text.count("\n") for one in house() if one.text.strip()}

    assert {name: count for name, count in lines.items() if count > 400} == {}
    assert statistics.median(lines.values()) < 120


def test_no_module_name_occurs_twice() -> None:
    """Who looks for a module by its name finds one; `__init__`, `__main__` and a package named as a module aside."""
    stems = Counter(one.name.rpartition(".")[2] for one in house() if not one.is_package and one.name != "__main__")
    stems.pop("__main__", None)

    assert {name: count for name, count in stems.items() if count > 1} == {}


REMOVED_WORDS = {
    "bench",
    "board",
    "bodies",
    "bond",
    "chronicle",
    "demand",
    "desk",
    "desks",
    "eyes",
    "fate",
    "gateway",
    "hole",
    "knock",
    "leaves",
    "likeness",
    "made",
    "mention",
    "pace",
    "place",
    "places",
    "posters",
    "purse",
    "sight",
    "sketch",
    "studio",
    "sugar",
    "surroundings",
    "tally",
    "together",
    "trouble",
    "unsigned",
    "wire",
    "world",
}
"""Metaphors that modules and classes had once. Who looks for what they meant looks for the field's usual term."""


def test_no_metaphor_comes_back() -> None:
    """Modules and classes are named by the usual terms of the field."""
    named = [
        f"{source.name}: {name}"
        for source in house()
        for name in (
            source.name.rpartition(".")[2],
            *(one.name for one in source.tree.body if isinstance(one, ast.ClassDef)),
        )
        if {*re.findall(r"[A-Z]?[a-z0-9]+", name.replace("_", " "))}
        & (REMOVED_WORDS | {*map(str.title, REMOVED_WORDS)})
    ]

    assert named == []


def test_no_operation_is_special_in_code() -> None:
    """What is odd about an operation is a field of its data: no code names one, nor a path of the API."""
    operations = {path.stem for path in (ROOT / "schemas" / "operations").glob("*.json")}
    named = [
        source.line(node)
        for source in house()
        if not within(source.name, NAMES_THE_API)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.expr) and names_the_api(node, operations)
    ]

    assert named == []


def names_the_api(node: ast.expr, operations: set[str]) -> bool:
    """A string that is an operation's name or a path, or a comparison of an operation with a string."""
    if isinstance(node, ast.Compare):
        about = re.fullmatch(r"(.*\.)?operation(\.name)?", ast.unparse(node.left))
        return bool(about) and any(isinstance(getattr(one, "value", None), str) for one in node.comparators)
    value = node.value if isinstance(node, ast.Constant) else None
    # `element` and `voice` are words of the manifest language too, `effects` is a part of the house.
    named = operations - {"element", "voice", "effects"}
    return isinstance(value, str) and (value in named or value.startswith("/v1/"))


def test_fields_of_the_api_are_data() -> None:
    """No code writes out the name of a field: where it stands, and what it means, is said in `schemas/`."""
    from kling_pipe.catalog.operations import operations

    # Names of one word are words of the program and of English, too.
    fields = {name for one in operations().values() for name in field_names(one.schema) if "_" in name}
    named = [
        f"{source.line(node)}: {node.value}"
        for source in house()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and node.value in fields - PROTOCOL
        if not within(source.name, NAMES_FIELDS)
    ]

    assert named == []
    for place in NAMES_FIELDS:
        texts = [one.text for one in house() if within(one.name, {place: ""})]
        assert any(f'"{name}"' in text for name in fields - PROTOCOL for text in texts), place


def field_names(schema: dict[str, Any]) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        yield name
        yield from field_names(field)
    if "items" in schema:
        yield from field_names(schema["items"])


def test_effects_pass_the_seam() -> None:
    """Durable writes go through `storage.effects`, where the fault tests stop the process at each of them."""
    loose = [
        source.line(call)
        for source in house()
        if not within(source.name, EFFECTS)
        for call in source.calls()
        if effect(call)
    ]

    assert loose == []


@pytest.mark.parametrize("call", ["import kling_pipe", f"{MAIN}(['--version'])", f"{MAIN}(['--help'])"])
def test_nothing_heavy_is_loaded_at_the_start(call: str) -> None:
    """A person who asks for help does not wait for a YAML parser."""
    words = [sys.executable, "-X", "importtime", "-c", call]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}

    assert "kling_pipe" in loaded
    assert sorted(HEAVY & loaded) == []


def test_public_names_are_documented() -> None:
    """Every module, and every public class and function of it, says what it is."""
    bare = [one.name for one in house() if not ast.get_docstring(one.tree)]
    for source in house():
        for node in source.tree.body:
            named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if named and not node.name.startswith("_") and not ast.get_docstring(node):
                bare.append(f"{source.name}.{node.name}")

    assert bare == []


def test_no_tool_word_is_an_api_field() -> None:
    """A word of the manifest language can never be shadowed by a field that Kling has."""
    from kling_pipe.catalog.operations import operations
    from kling_pipe.manifest.keywords import RECIPE

    words = {*RECIPE, *(word for one in operations().values() for word in one.kling.get("sugar", ()))}
    fields = {field for one in operations().values() for field in one.schema["properties"]}

    assert sorted(words & fields) == []


def test_nothing_of_a_persons_machine_is_committed() -> None:
    """No home folder, no private index: a clone builds anywhere."""
    places = ("/ro,ot/", "/wo,rk/", "/ho,me/", "C:\\U,sers", "/op,t/", "../sha,red", "desi,gn.md")
    indexes = ("pypi,.org", "files.python,hosted", "index-,url", "find-,links", "trusted-,host")
    pattern = re.compile("|".join(re.escape(one.replace(",", "")) for one in (*places, *indexes)))

    assert lines_that_match(pattern, committed()) == []


def lines_that_match(pattern: re.Pattern[str], files: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:80]}"
        for name, text in files.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_committed_text_is_well_formed() -> None:
    """The small things that a review should not have to see; cases may be broken on purpose."""
    for name, text in committed().items():
        if not name.startswith("tests/cases/"):
            assert not text or text.endswith("\n"), name
            assert not name.endswith(".json") or json.loads(text) is not None, name


def test_tests_use_real_parts() -> None:
    """No mocks, no patched attributes, nothing skipped: a seam is passed in, or it is missing."""
    mocks = r"unittest\.mock|import mock|mocker|\.setattr\("
    skips = r"mark\.(skip|xfail)|pytest\.(skip|xfail|importorskip)\("
    tests = {name: text for name, text in committed().items() if re.match(r"tests/.*\.py$", name)}
    del tests["tests/test_house.py"]

    assert lines_that_match(re.compile(f"{mocks}|{skips}"), tests) == []


def test_tests_say_what_they_prove() -> None:
    """A test's docstring is a sentence; without one its name has to be."""
    mute = []
    for name, text in committed().items():
        tree = ast.parse(text) if re.match(r"tests/(.*/)?test_\w+\.py$", name) else ast.Module([], [])
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                said = (ast.get_docstring(node) or "").rstrip()
                if not said.endswith((".", "?")) if said else node.name.count("_") < 4:
                    mute.append(f"{name}::{node.name}")

    assert mute == []


@pytest.mark.parametrize(
    ("code", "caught"),
    [
        ("path.write_text('x')", True),
        ("open(path, 'w')", True),
        ("path.open(mode='ab')", True),
        ("os.replace(a, b)", True),
        ("part.replace(target)", True),
        ("connection.commit()", True),
        ("shutil.copy(a, b)", True),
        ("part.write_text(text)", False),
        ("shutil.copyfile(source, part)", False),
        ("shutil.copyfile(part, target)", True),
        ("path.open('rb')", False),
        ("open(path)", False),
        ("text.replace('a', 'b')", False),
        ("dataclasses.replace(value, state='w')", False),
        ("self._effects.commit(connection)", False),
        ("path.read_text(encoding='utf-8')", False),
    ],
)
def test_an_effect_is_told_from_a_reading(code: str, caught: bool) -> None:
    """The finder that the house rule on effects rests on sees what it should, and only that."""
    call = ast.parse(code, mode="eval").body

    assert isinstance(call, ast.Call)
    assert effect(call) is caught


def test_imports_are_read_with_their_time() -> None:
    """Lazy imports, relative imports and imports for type checkers are told apart."""
    lines = ["import os", "from . import c", "from ..d import e", "if TYPE_CHECKING: import f", "def g(): import h"]
    source = Source("kling_pipe.a.b", "\n".join(lines))

    found = [(one.name, one.at_start) for one in source.imports()]

    assert found == [("os", True), ("kling_pipe.a.c", True), ("kling_pipe.d.e", True), ("h", False)]


def test_a_circle_is_found_and_told() -> None:
    """The finder names the circle, not only that there is one."""
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []
