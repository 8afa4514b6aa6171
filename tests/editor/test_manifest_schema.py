"""The editor's schema: current, told in full, and of one mind with the compiler about what a manifest may say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from kling_pipe.catalog.operations import operations, schemas_folder
from kling_pipe.editor.schema import manifest_schema, schema_text
from kling_pipe.editor.schema.texts import words
from kling_pipe.errors import ManifestInvalid
from kling_pipe.manifest import compile_manifest
from kling_pipe.manifest.keywords import BUDGET, KINDS, MATRIX, RECIPE, TOP_LEVEL
from kling_pipe.manifest.yaml.document import parse

ROOT = Path(__file__).resolve().parents[2]
PIPELINES = sorted((ROOT / "pipelines").rglob("*.yaml"))

BASE = """
project: editor-test
elements: {hana: 829836802793406551}
images: {logo: "https://example.com/logo.png"}
videos:
  clip: https://example.com/clip.mp4
defaults: {videos: {aspect_ratio: 16:9}}
"""


def cases(name: str) -> dict[str, Any]:
    found = data_of((ROOT / "tests" / "cases" / "editor" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def data_of(text: str) -> Any:
    document = parse(text, "test.yaml")
    assert not document.problems
    return document.data


@cache
def validator() -> Draft7Validator:
    Draft7Validator.check_schema(manifest_schema())
    return Draft7Validator(manifest_schema())


def laid_over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    both = {word for word in base if isinstance(base[word], dict) and isinstance(own.get(word), dict)}
    return {**base, **own, **{word: laid_over(base[word], own[word]) for word in both}}


def whole(snippet: dict[str, Any]) -> dict[str, Any]:
    return laid_over(data_of(BASE), snippet)


def compiles(data: dict[str, Any], folder: Path) -> bool:
    file = folder / "kling-pipe.yaml"
    file.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    try:
        compile_manifest(file)
    except ManifestInvalid:
        return False
    return True


def deepest(data: Any) -> str:
    """Where the schema finds fault: the fault deepest in the manifest, as a reader of the squiggle sees it."""
    places = [place for error in validator().iter_errors(data) for place in _places(error)]
    return max(places, key=len, default="")


def _places(error: Any) -> Iterator[str]:
    yield error.json_path
    for inner in error.context or ():
        yield from _places(inner)


def test_the_checked_in_schema_is_current() -> None:
    """Nobody has to remember to generate it: this fails when the catalog or the words changed."""
    assert (schemas_folder() / "manifest.schema.json").read_text(encoding="utf-8") == schema_text()


def test_check_on_the_command_line_agrees() -> None:
    """`python -m scripts.editor_schema --check` is silent and exits 0 when the file is current."""
    command = [sys.executable, "-m", "scripts.editor_schema", "--check"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.stem)
def test_every_example_pipeline_is_valid(file: Path) -> None:
    """What we ship shows no squiggle in an editor."""
    assert [error.json_path for error in validator().iter_errors(data_of(file.read_text(encoding="utf-8")))] == []


@pytest.mark.parametrize("snippet", cases("accepted").values(), ids=cases("accepted"))
def test_schema_and_compiler_accept(snippet: dict[str, Any], tmp_path: Path) -> None:
    """What the compiler takes, the editor does not underline."""
    data = whole(snippet)
    assert [error.json_path for error in validator().iter_errors(data)] == []
    assert compiles(data, tmp_path)


@pytest.mark.parametrize("case", cases("refused").values(), ids=cases("refused"))
def test_schema_and_compiler_refuse(case: dict[str, Any], tmp_path: Path) -> None:
    """A planted mistake is refused by both, and the editor underlines the right place."""
    data = whole(case["manifest"])
    assert deepest(data) == case["at"]
    assert not compiles(data, tmp_path)


def test_a_manifest_without_project_is_refused() -> None:
    """`project` is the one word that every manifest has."""
    assert [error.validator for error in validator().iter_errors({"version": 1})] == ["required"]


def described(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of a property, by its path."""
    if isinstance(schema, dict):
        for name, inner in schema.get("properties", {}).items():
            yield f"{path}/{name}", inner
        for key, inner in schema.items():
            if key not in ("if", "enum", "examples", "default"):
                yield from described(inner, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from described(inner, f"{path}/{index}")


def test_every_word_has_a_hover_text() -> None:
    """Every property that an editor offers says what it is; `$ref` leads to a text, branches only narrow one."""
    schema = manifest_schema()
    parts = {"definitions": schema["definitions"], "properties": schema["properties"]}
    found = [(path, inner) for path, inner in described(parts) if "$ref" not in inner]
    assert len(found) > 100
    assert [path for path, inner in found if len(inner.get("description", "")) < 10] == []


def test_every_text_belongs_to_a_word_and_every_word_has_one() -> None:
    """The hover texts neither lag behind the language nor keep words that are gone."""
    all_sugar = [one.kling.get("sugar", {}) for one in operations().values()]
    sugar = {word for words_of_one in all_sugar for word in words_of_one} - set(RECIPE)
    assert set(words("top_level")) == set(TOP_LEVEL)
    assert set(words("recipe")) == set(RECIPE)
    assert set(words("sugar")) == sugar
    assert set(words("matrix")) == set(MATRIX)
    assert set(words("amounts")) == set(BUDGET)
    assert set(words("existing")) == set(KINDS.values())


def test_examples_in_hover_texts_are_valid() -> None:
    """An example that the schema itself would underline teaches the wrong thing."""
    schema = manifest_schema()
    wrong = []
    for path, inner in described(schema):
        one = Draft7Validator({**inner, "definitions": schema["definitions"]})
        wrong += [(path, example) for example in inner.get("examples", ()) if not one.is_valid(example)]
    assert wrong == []


def test_the_schema_uses_nothing_beyond_draft_07() -> None:
    """The YAML language server reads draft-07 in full; newer keywords it would ignore without a word."""
    newer = {"unevaluatedProperties", "dependentRequired", "dependentSchemas", "prefixItems", "$defs", "$dynamicRef"}
    assert not newer & set(_keywords(manifest_schema()))


def _keywords(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _keywords(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keywords(inner)


def test_the_model_is_never_filled_in() -> None:
    """Kling's default model is an old one: an editor must not complete it."""
    for name, operation in operations().items():
        field = operation.kling["pool"]["model"]
        if field:
            assert "default" not in manifest_schema()["definitions"][name]["properties"][field]
