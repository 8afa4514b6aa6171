"""What gets installed is pinned, explained, and no more than what is used."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from itertools import product
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = [
    Requirement(one) for group in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()] for one in group
]
MACHINES = [
    {
        "python_version": version,
        "python_full_version": f"{version}.1",
        "platform_system": system,
        "sys_platform": platform,
    }
    for version, (system, platform) in product(
        ("3.11", "3.12", "3.13", "3.14"), (("Linux", "linux"), ("Darwin", "darwin"), ("Windows", "win32"))
    )
]


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(one.name): one for one in found}


def applies(wanted: Requirement, extras: frozenset[str]) -> bool:
    marker = wanted.marker
    return marker is None or any(
        marker.evaluate({**one, "extra": extra}) for one in MACHINES for extra in {"", *extras}
    )


def brought_in() -> Iterator[str]:
    """Names of everything that the declared requirements install, on any machine that we support."""
    waiting, seen = list(DECLARED), set()
    while waiting:
        wanted = waiting.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if name == "kling-pipe" or (name, extras) in seen:
            continue
        seen.add((name, extras))
        yield name
        try:
            found = [Requirement(one) for one in requires(name) or ()]
        except PackageNotFoundError:  # of another platform
            continue
        waiting += [one for one in found if applies(one, extras)]


def test_everything_that_gets_installed_is_pinned() -> None:
    """No package, not even one that another brings along, arrives at a version that nobody has tried."""
    assert sorted(set(brought_in()) - pins().keys()) == []


def test_every_pin_is_exact_and_needed() -> None:
    """A pin that nothing asks for is a leftover."""
    assert [str(one) for one in pins().values() if not re.fullmatch(r"==[\w.]+", str(one.specifier))] == []
    assert sorted(pins().keys() - set(brought_in())) == []


def test_every_pin_is_within_what_the_project_declares() -> None:
    """The version that is tested is one that users may install."""
    pinned = {name: next(iter(one.specifier)).version for name, one in pins().items()}
    outside = [one for one in DECLARED if not one.specifier.contains(pinned.get(canonicalize_name(one.name), "0"))]

    assert [str(one) for one in outside if one.name != "kling-pipe"] == []


def test_every_dependency_is_imported() -> None:
    """What the code does not use is not installed for it. Those of `dev` and `docs` are programs."""
    ours = ("dev", "docs", "all")
    extras = [one for name, group in PROJECT["optional-dependencies"].items() if name not in ours for one in group]
    wanted = {canonicalize_name(Requirement(one).name) for one in [*PROJECT["dependencies"], *extras]}
    text = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "kling_pipe").rglob("*.py"))
    imported = set(re.findall(r"^ *(?:import|from) ([a-zA-Z_]\w*)", text, re.MULTILINE))
    modules = packages_distributions()
    used = {canonicalize_name(dist) for module in imported for dist in modules.get(module, ())}

    assert sorted(wanted - used) == []


def test_every_dependency_is_explained() -> None:
    """Whoever installs the tool can read what each package is for."""
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    explained = {canonicalize_name(name) for name in re.findall(r"^\| \[([^\]]+)\]", text, re.MULTILINE)}

    assert sorted({canonicalize_name(one.name) for one in DECLARED} - explained - {"kling-pipe"}) == []


def test_every_extra_is_explained() -> None:
    """An extra that no page names will not be found."""
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")

    assert [name for name in PROJECT["optional-dependencies"] if f"`{name}`" not in text] == []
