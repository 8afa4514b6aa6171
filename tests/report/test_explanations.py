"""The registry of problems: complete, true (its examples have what they say), and the page made from it is current."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from snippets import ROOT, data_of, folder_with_assets, problems_of, whole

from kling_pipe.catalog.operations import load_operation, operations, table
from kling_pipe.catalog.output_facts import narrowed
from kling_pipe.catalog.validation import check, coerce
from kling_pipe.catalog.validation.finding import Finding
from kling_pipe.media import Facts, broken, unlike
from kling_pipe.report.explanations import Entry, explain_text, known_ids, page_text, registry
from kling_pipe.report.severity import Levels, leveled

BASE = re.findall(
    r"^```yaml\n(.*?)^```$", (ROOT / "docs" / "manifest.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)[0]
COMPILED = [entry for entry in registry().values() if entry.when == "compile"]


def ids_in_the_code() -> Iterator[str]:
    """Problem ids that some line of the program gives to a problem."""
    for path in (ROOT / "kling_pipe").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"KP\d{3}", node.value):
                yield node.value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_with_assets(tmp_path)


def test_every_id_in_the_code_is_registered_and_every_registered_id_is_used() -> None:
    """No problem without an explanation, and no explanation of what never happens."""
    assert set(ids_in_the_code()) == set(registry())


@pytest.mark.parametrize("entry", registry().values(), ids=registry())
def test_an_entry_is_complete(entry: Entry) -> None:
    """A title without a full stop, a reason and a next step in whole sentences."""
    assert re.fullmatch(r"KP\d{3}", entry.id)
    assert entry.title
    assert not entry.title.endswith(".")
    assert len(entry.why) > 40
    assert entry.why.endswith(".")
    assert entry.next.endswith(".")
    assert entry.when in ("compile", "remarks", "plan", "probe", "standard")


@pytest.mark.parametrize("entry", [one for one in COMPILED if one.wrong], ids=lambda entry: entry.id)
def test_the_wrong_example_has_this_problem_alone(entry: Entry, folder: Path) -> None:
    """One mistake, one problem, with its place in the file."""
    _, problems = problems_of(whole(entry.wrong, BASE), folder)
    found = [problem for problem in problems if problem.id == entry.id or problem.level == "error"]
    assert [problem.id for problem in found] == [entry.id], [problem.message for problem in problems]
    assert found[0].position


@pytest.mark.parametrize("entry", [one for one in registry().values() if one.right], ids=lambda entry: entry.id)
def test_the_right_example_has_no_problem(entry: Entry, folder: Path) -> None:
    """What we advise compiles without a word."""
    manifest, problems = problems_of(whole(entry.right, BASE), folder)
    assert manifest is not None, [problem.message for problem in problems]
    assert {problem.id for problem in problems} <= {"OV-24", "OV-19"}, problems


@pytest.mark.parametrize(
    "entry", [one for one in registry().values() if one.when == "standard"], ids=lambda entry: entry.id
)
def test_what_the_second_standard_lacks_is_found_for_it_alone(entry: Entry, folder: Path) -> None:
    """The same manifest is fine in the first standard, and what we advise is fine in both."""
    for text, ids in ((entry.wrong, [entry.id]), (entry.right, [])):
        for standard in ("v1", "v2"):
            _, problems = problems_of(whole(text, BASE), folder, standard=standard)
            found = [one.id for one in problems if one.id == entry.id or one.level == "error"]
            assert found == (ids if standard == "v2" else []), [one.message for one in problems]


def test_only_what_has_no_example_goes_without() -> None:
    """An unreadable file, two projects, two plans, time, prices and accounts take more than a few lines."""
    bare = {"KP009", "KP403", "KP404", "KP406", "KP407", "KP408"}
    assert {entry.id for entry in registry().values() if not entry.wrong} == bare


@pytest.mark.parametrize(
    "entry", [one for one in registry().values() if one.when == "remarks"], ids=lambda entry: entry.id
)
def test_a_wrong_remark_is_reported(entry: Entry, folder: Path) -> None:
    """Remarks are read once all problems are known."""
    manifest, problems = problems_of(entry.wrong, folder)
    assert manifest is not None
    left = leveled(
        (one for one in problems if one.id != entry.id), Levels(), {manifest.scope.document.name: entry.wrong}
    )
    assert [problem.id for problem in left] == [entry.id]


def rule_ids() -> Iterator[str]:
    """Every id that a check can report: rules between fields, and those of single fields."""
    for operation in operations().values():
        for rule in operation.rules:
            yield rule["id"]
        yield from _in_fields(operation.schema)


def _in_fields(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if "x-rule" in schema:
            yield schema["x-rule"]
        for name, inner in schema.items():
            if name != "x-kling":
                yield from _in_fields(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _in_fields(inner)


@pytest.mark.parametrize("id", sorted(set(rule_ids())))
def test_every_rule_of_the_api_is_explained(id: str) -> None:
    """`kling-pipe explain` knows each rule, with its source and the operations that have it."""
    text = explain_text(id)
    assert text.startswith(f"{id}: ")
    assert "Source:" in text
    assert "Holds for:" in text
    assert not re.search(r"\{\w+\}", text)


@pytest.mark.parametrize("id", known_ids())
def test_an_explanation_fits_a_terminal(id: str) -> None:
    """At most 100 columns, but for lines of examples that are as they are."""
    long = [line for line in explain_text(id).splitlines() if len(line) > 100 and not line.startswith("    ")]
    assert long == []


def test_ids_are_found_however_they_are_typed() -> None:
    """Small letters, and the family of a rule: nobody types an id with care."""
    assert explain_text("kp302") == explain_text("KP302")
    assert explain_text("ov-12") == explain_text("OV-12")
    family = explain_text("OV-11")
    assert all(f"OV-11{letter}: " in family for letter in "abc")
    assert "takes" in explain_text("schema/enum")


@pytest.mark.parametrize("id", ["KP999", "OV", "OV-", "schema/", "schema/unknown", "", "KP30"])
def test_an_unknown_id_is_a_key_error(id: str) -> None:
    """The command line turns it into a message with the nearest id."""
    with pytest.raises(KeyError):
        explain_text(id)


def test_every_keyword_that_a_field_check_reports_is_explained() -> None:
    """`schema/<keyword>` for each keyword that the operations' fields use."""
    used = {word for operation in operations().values() for word in _keywords(operation.schema["properties"])}
    for keyword in used:
        assert explain_text(f"schema/{keyword}")


def _keywords(fields: dict[str, object]) -> Iterator[str]:
    constraints = {"type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"}
    for field in fields.values():
        assert isinstance(field, dict)
        yield from constraints & set(field)
        if "required" in field:
            yield "required"
        yield from _keywords(field.get("properties", {}))
        if "items" in field:
            yield from _keywords({"items": field["items"]})


def test_the_page_is_current() -> None:
    """docs/problems.md is what the registry makes today."""
    assert (ROOT / "docs" / "problems.md").read_text(encoding="utf-8") == page_text()


def test_check_on_the_command_line_agrees() -> None:
    """`python -m scripts.problem_docs --check` is silent and exits 0 when the page is current."""
    command = [sys.executable, "-m", "scripts.problem_docs", "--check"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_page_has_a_section_for_each_id_and_a_row_for_each_rule() -> None:
    """Links from messages lead to a heading."""
    page = page_text()
    assert re.findall(r"^## (KP\d{3})$", page, re.MULTILINE) == list(registry())
    rows = set(re.findall(r"^\| ([A-Z]+-\d+[a-z]?) \|", page, re.MULTILINE))
    assert rows == set(rule_ids())
    assert all(
        line.count("|") - line.count("\\|") == 6 for line in page.splitlines() if re.match(r"\| [A-Z]+-\d", line)
    )


def test_the_base_of_the_examples_is_a_manifest() -> None:
    """The examples are laid over the first manifest of docs/manifest.md."""
    assert data_of(BASE)["project"] == "spring-tea"


EXPLAINED = table("explanations")


def laid(told: dict[str, Any], own: str) -> dict[str, Any]:
    """A whole request of an example."""
    fields = {**EXPLAINED["bases"][told["operation"]], **told.get("with", {}), **({} if "file" in told else told[own])}
    return {name: value for name, value in fields.items() if value is not None}


def test_every_rule_has_an_example_and_every_example_a_rule() -> None:
    """What it is for, what it refuses, the same mended, and the next step."""
    assert set(EXPLAINED["rules"]) == set(rule_ids())


@pytest.mark.parametrize("id", EXPLAINED["rules"])
def test_an_explanation_is_in_sentences(id: str) -> None:
    """A reason and a next step, and both shown in the terminal."""
    told = EXPLAINED["rules"][id]
    assert told["why"].endswith(".")
    assert told["next"].endswith(".")
    text = explain_text(id)
    assert "Right:" in text
    assert f"Next: {told['next']}"[:60] in text
    assert id in {rule["id"] for rule in load_operation(told["operation"]).rules} | field_rules_of(told["operation"])


def field_rules_of(name: str) -> set[str]:
    return set(_in_fields(load_operation(name).schema))


def findings_in(told: dict[str, Any], own: str) -> list[Finding]:
    """What a check says of an example."""
    operation, body, said = load_operation(told["operation"]), laid(told, own), []
    if told.get("lenient"):
        body, said = coerce(operation, body)
    kind = told.get("element_kinds", [None, None])[own == "mended"]
    kinds = {index: kind for index, _ in enumerate(body.get("element_list", ())) if kind}
    return [*said, *check(operation, body, element_kinds=kinds)]


def found_in(told: dict[str, Any], own: str) -> set[tuple[str, str]]:
    """The ids and levels of that."""
    return {(one.rule, one.level) for one in findings_in(told, own)}


REQUESTS = [id for id, told in EXPLAINED["rules"].items() if "file" not in told]
FILES = [id for id, told in EXPLAINED["rules"].items() if "file" in told]


@pytest.mark.parametrize("id", REQUESTS)
def test_the_refused_example_breaks_this_rule_and_the_mended_one_none(id: str) -> None:
    """No other error stands in the first; nothing at all in the second."""
    told = EXPLAINED["rules"][id]
    refused = found_in(told, "refused")
    assert id in {rule for rule, _ in refused}
    assert {rule for rule, level in refused if level == "error"} <= {id}
    assert found_in(told, "mended") == set()


IN_FIELDS = {id for operation in operations().values() for id in _in_fields(operation.schema)}
BETWEEN = [id for id in REQUESTS if id not in IN_FIELDS and not EXPLAINED["rules"][id].get("lenient")]


@pytest.mark.parametrize("id", BETWEEN)
def test_a_broken_rule_between_fields_names_the_next_step(id: str) -> None:
    """Its own, the verb's, or that of the explanation; a near match is one, too."""
    broken_ = [one for one in findings_in(EXPLAINED["rules"][id], "refused") if one.rule == id]
    assert [one for one in broken_ if not (one.hint or one.near)] == []


@pytest.mark.parametrize("id", FILES)
def test_a_file_of_the_refused_example_is_outside_and_that_of_the_mended_one_within(id: str) -> None:
    """Held against the very limits of the field, as a file that was looked at is."""
    told = EXPLAINED["rules"][id]
    operation, body = load_operation(told["operation"]), laid(told, "mended")
    entry = next(one for one in operation.kling["media"] if one["at"] == told["file"])
    limits = narrowed(table("media")["limits"][entry["limits"]], body, str(body.get("model_name", "")))

    def findings(own: str) -> list[Any]:
        facts = Facts(entry["kind"], **told[own])
        beside = [Facts("image", **one) for one in told.get("beside", {}).values()]
        return [*broken(facts, limits), *unlike(facts, beside[0] if beside else None, [], "image")]

    assert findings("refused")
    assert findings("mended") == []


def ids_in_the_schemas() -> Iterator[str]:
    """Whatever in `schemas/` looks like the id of a rule or a problem: a name, or a text."""
    for path in sorted((ROOT / "schemas").rglob("*.json")):
        yield from re.findall(r'"([A-Z]{2,3}-?\d+[a-z]?)"', path.read_text(encoding="utf-8"))


def test_every_id_in_the_schemas_is_explained() -> None:
    """Those that a vendor's message or an explanation names, too, in capitals or small letters."""
    found = set(ids_in_the_schemas())
    assert set(rule_ids()) <= found
    for id in found:
        assert explain_text(id) == explain_text(id.lower())


def test_a_rule_without_an_explanation_is_told_from_its_data(tmp_path: Path) -> None:
    """A new operation's rules: the sentence, the level, where it holds and the source, for each that there is."""
    (tmp_path / "kling_pipe").symlink_to(ROOT / "kling_pipe")
    schemas = shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    bare = {**EXPLAINED, "rules": {}}
    (schemas / "explanations.json").write_text(json.dumps(bare), encoding="utf-8")
    program = "from kling_pipe.report.explanations import explain_text, known_ids, page_text; import json;"
    program += "print(json.dumps([page_text(), {id: explain_text(id) for id in known_ids()}]))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    page, told = json.loads(done.stdout)

    assert told.keys() == set(known_ids())
    for id in set(rule_ids()):
        parts = told[id].split("\n\n")
        assert f"### {id}" in page
        assert parts[0] == f"{id}: a rule of the Kling API"
        assert parts[1] in explain_text(id)
        assert parts[-1] == explain_text(id).split("\n\n")[-1]
        assert "Right:" not in told[id]
    refused = json.dumps(laid(EXPLAINED["rules"]["OV-09"], "refused"))
    program = "import json; from kling_pipe.catalog.operations import load_operation\n"
    program += "from kling_pipe.catalog.validation import check\n"
    program += f"print([one.rule for one in check(load_operation('omni-video'), json.loads({refused!r}))])"
    checked = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "OV-09" in checked.stdout
    asked = [sys.executable, "-m", "kling_pipe", "explain", "OV-09"]
    shown = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == told["OV-09"]
