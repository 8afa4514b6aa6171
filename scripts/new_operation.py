"""`python -m scripts.new_operation NAME`: write the skeleton of a new operation, and say what is left to fill in."""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from scripts.catalog_edits import NoRoomError, edits
from scripts.operation_options import KINDS, Wanted, default_path, default_per, mark
from scripts.operation_skeleton import files

ROOT = Path(__file__).parent.parent
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PATH = re.compile(r"/v1(/[a-z0-9]+(-[a-z0-9]+)*)+")
_GUESSES = {
    '  "properties": {': "which fields there are; what must be there goes into `required`",
    '    "lookup": ': "how a task is found by its external id: path, list, none",
    '    "result": ': "where the outputs stand in `task_result`",
    '    "expected_seconds": ': "how long a task takes",
    '    "media": ': "the limits of what goes in, by their name in schemas/media.json",
    '    "makes": ': "what is known of the result before it is made",
    '    "rules": ': "the rules, each with a case that it refuses, one that it takes, and an explanation",
}


def main(arguments: Sequence[str]) -> int:
    """Write the files and print what is left to fill in; exit 2, with nothing written, for what cannot be."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.pages:
        if not _operation_file(options.name).is_file():
            parser.error(f"there is no operation `{options.name}` yet; leave out --pages to make it")
    else:
        try:
            wanted = _wanted(options)
            _write({**edits(ROOT, wanted), **files(wanted)})
        except (ValueError, NoRoomError) as why:
            parser.error(f"{why}; nothing was written")
    _write_pages()
    if not options.pages:
        _tell("Guessed, to be held against the vendor's page:", [*_guesses(options.name)])
    _tell("Left to fill in, then `--pages` once more:", [*_left(options.name)], "Nothing is left to fill in.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.new_operation", description=__doc__)
    parser.add_argument("name", metavar="NAME", help="small letters, digits and single dashes")
    parser.add_argument("--kind", choices=KINDS, default="video", help="what it makes (default: %(default)s)")
    parser.add_argument("--path", help="of the create call (default: /v1/KINDS/NAME)")
    parser.add_argument("--model", action="append", default=[], help="a value of `model_name`; may be repeated")
    parser.add_argument("--units", type=float, help="its price in units (default: unknown, which is not 0)")
    parser.add_argument("--per", choices=("second", "clip", "image", "call"), help="what the price is for")
    parser.add_argument("--prefix", help="two or three capitals for ids of rules (default: from the name)")
    parser.add_argument("--pages", action="store_true", help="only write its pages anew, and say what is left")
    return parser


def _wanted(options: argparse.Namespace) -> Wanted:
    """What was asked for; ValueError says what is wrong with it."""
    name, kind = _free_name(str(options.name)), str(options.kind)
    for model in options.model:
        if not re.fullmatch(r"[a-z][a-z0-9.-]*", model):
            raise ValueError(f"`{model}` is no model: small letters, digits, dashes and dots, as `kling-v3`")
    if len({*options.model}) < len(options.model):
        raise ValueError("a model is named twice")
    path = _free_path(options.path or default_path(name, kind))
    per, units = _price(options)
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return Wanted(name, kind, path, _prefix(name, options.prefix), today, tuple(options.model), units, per)


def _free_name(name: str) -> str:
    """The name, if it is one and every place of its own is free."""
    if not _NAME.fullmatch(name) or len(name) > 64:
        raise ValueError(
            f"`{name[:64]}` is no name: small letters, digits and single dashes, at most 64, as `lip-sync`"
        )
    for place in ("schemas/operations/{}.json", "docs/api/{}.md", "tests/cases/{}", "pipelines/operations/{}.yaml"):
        if (ROOT / place.format(name)).exists():
            raise ValueError(f"`{name}` cannot be the name: {place.format(name)} is there already")
    return name


def _price(options: argparse.Namespace) -> tuple[str, float | None]:
    """What the price is for, and the units: a whole number as such."""
    units, per = options.units, options.per or default_per(options.kind)
    if options.per and units is None:
        raise ValueError("--per says what a price is for, and there is none: add --units")
    if units is not None and not 0 <= units < float("inf"):
        raise ValueError(f"{units} units are no price")
    if (per == "image") != (options.kind == "image") and per != "call":
        raise ValueError(f"a price of {options.kind}s is not per {per}")
    return per, int(units) if units is not None and units.is_integer() else units


def _free_path(path: str) -> str:
    """The path, if it is one, and neither another operation's nor above or below one."""
    if not _PATH.fullmatch(path):
        raise ValueError(f"`{path}` is no path: /v1/ and then words of small letters, digits and dashes")
    for file in sorted((ROOT / "schemas" / "operations").glob("*.json")):
        for taken in re.findall(r'"(/v1/[a-z0-9/-]+)"', file.read_text(encoding="utf-8")):
            if f"{taken}/".startswith(f"{path}/") or f"{path}/".startswith(f"{taken}/"):
                raise ValueError(f"the path `{path}` meets `{taken}` of `{file.stem}`: choose one with --path")
    return path


def _prefix(name: str, asked: str | None) -> str:
    """The prefix that was asked for, or the first from the name's letters that no rule has."""
    schemas = (path.read_text(encoding="utf-8") for path in (ROOT / "schemas").rglob("*.json"))
    taken = {"KP", *(one for text in schemas for one in re.findall(r'"([A-Z]{2,3})-[0-9]', text))}
    if asked is None:
        found = next((one for one in _prefixes(name) if one not in taken), None)
        if found is None:
            raise ValueError(f"every prefix from `{name}` is taken: choose one with --prefix")
        return found
    if asked in taken or not re.fullmatch(r"[A-Z]{2,3}", asked):
        raise ValueError(
            f"`{asked}` is no prefix that is free: two or three capitals; taken are {', '.join(sorted(taken))}"
        )
    return asked


def _prefixes(name: str) -> Iterator[str]:
    """Initials first, then the first letter with later ones."""
    letters = re.sub("[^a-z]", "", name).upper()
    initials = "".join(word[0] for word in name.upper().split("-") if word[0].isalpha())[:3]
    yield from [initials] if len(initials) > 1 else []
    yield from (letters[0] + "".join(rest) for more in (1, 2) for rest in combinations(letters[1:], more))


def _operation_file(name: str) -> Path:
    return ROOT / "schemas" / "operations" / f"{name}.json"


def _write(texts: dict[str, str]) -> None:
    for path, text in texts.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8", newline="\n")
        print(f"wrote {path}")


def _write_pages() -> None:
    """Everything that is generated from `schemas/`. Imported late: the catalog reads its folder once."""
    from kling_pipe.report import api_docs
    from scripts import editor_schema, problem_docs

    for generate in (api_docs.main, problem_docs.main, editor_schema.main):
        generate([])
    print("wrote docs/api/, docs/problems.md, schemas/manifest.schema.json")


def _left(name: str) -> Iterator[str]:
    """`file:line: what`, for each text that is marked, and for a price that is unknown."""
    for path in (f"schemas/operations/{name}.json", "schemas/explanations.json", f"pipelines/operations/{name}.yaml"):
        for number, line in _lines(path):
            if mark(name) in line:
                what = line.partition(mark(name))[2].strip('",.')
                yield f"{path}:{number}: write {what}"
    rows = json.loads((ROOT / "schemas" / "pricing.json").read_text(encoding="utf-8"))["rows"]
    if not any(name in row["operations"] for row in rows):
        number = next(number for number, line in _lines("schemas/pricing.json") if line.startswith('  "rows"'))
        yield f"schemas/pricing.json:{number}: a row for `{name}`, if its price is known (unknown is not 0)"


def _guesses(name: str) -> Iterator[str]:
    """The same for each guess of the skeleton: right for most operations of a kind, and not marked."""
    path = f"schemas/operations/{name}.json"
    for number, line in _lines(path):
        yield from (f"{path}:{number}: {what}" for start, what in _GUESSES.items() if line.startswith(start))


def _lines(path: str) -> Iterator[tuple[int, str]]:
    return enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), start=1)


def _tell(title: str, lines: list[str], otherwise: str = "") -> None:
    print("\n  ".join([title, *lines]) if lines else otherwise)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
