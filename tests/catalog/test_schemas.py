"""`schemas/`: every file is what its meta schema says, and the catalog reads it as consumers need it."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path, PurePath

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from kling_pipe.catalog import operations
from kling_pipe.catalog.conditions import KEYWORDS
from kling_pipe.catalog.validation import check
from kling_pipe.catalog.validation.verbs import ELSEWHERE, VERBS

FOLDER = operations.schemas_folder()
TABLES = ("fields", "rules", "media", "capabilities", "pricing", "errors", "account", "explanations")
TOOL_WORDS = {
    "first_frame", "end_frame", "references", "continues", "edits", "shots", "frontal", "views", "api", "raw", "matrix",
    "takes", "pick", "frozen", "tags", "needs", "save_as", "retries", "extends", "voice",
}  # fmt: skip


def read(name):
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


META = read("meta.schema.json")


def complaints(schema, data):
    registry = Registry().with_resource(META["$id"], Resource.from_contents(META))
    return [error.message for error in Draft202012Validator(schema, registry=registry).iter_errors(data)]


@pytest.fixture(params=operations.names())
def operation(request):
    return operations.load_operation(request.param)


def test_every_operation_of_the_vendors_navigation_is_there():
    navigation = {
        "advanced-lip-sync", "ai-multi-shot", "avatar", "effects", "element", "expand-image", "image-generation",
        "image-recognize", "image2video", "lip-sync", "motion-control", "multi-elements", "multi-image2image",
        "multi-image2video", "omni-image", "omni-video", "text-to-audio", "text2video", "tts", "video-extend",
        "video-to-audio", "virtual-try-on", "voice",
    }  # fmt: skip
    assert navigation - {*operations.names()} == set()


def test_nothing_is_left_to_fill_in():
    """What `scripts.new_operation` marked has been written: each place that is not is named with its line."""
    root = Path(__file__).parents[2]
    files = [*FOLDER.rglob("*.json"), *(root / "pipelines" / "operations").glob("*.yaml")]
    left = [
        f"{path.relative_to(root).as_posix()}:{number}: {line.strip()}"
        for path in sorted(files)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if "TODO" in line and path.name != "manifest.schema.json"
    ]
    assert left == []


@pytest.mark.parametrize("name", operations.names())
def test_an_operation_file_keeps_to_the_meta_schema(name):
    assert complaints(META, read(f"operations/{name}.json")) == []


@pytest.mark.parametrize("name", TABLES)
def test_a_table_keeps_to_its_meta_schema(name):
    assert complaints(read(f"meta/{name}.schema.json"), read(f"{name}.json")) == []


def test_the_meta_schemas_are_schemas_themselves():
    for path in [FOLDER / "meta.schema.json", *sorted((FOLDER / "meta").glob("*.json"))]:
        Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "misspelt",
    [
        lambda data: data["properties"]["prompt"].update(maxLenght=3),
        lambda data: data["x-kling"].update(ruls=[]),
        lambda data: data["x-kling"]["rules"].append(
            {"id": "OV-99", "level": "error", "requires": ["/a"], "say": "x", "source": "y"}
        ),
        lambda data: data["x-kling"]["rules"].append(
            {"id": "OV-99", "level": "error", "require": ["/a"], "when": {"requierd": ["a"]}, "say": "x", "source": "y"}
        ),
        lambda data: data["x-kling"]["rules"].append(
            {"id": "OV-99", "level": "error", "require": ["/a"], "forbid": ["/b"], "say": "x", "source": "y"}
        ),
    ],
)
def test_the_meta_schema_refuses_a_misspelt_key(misspelt):
    data = read("operations/omni-video.json")
    misspelt(data)
    assert complaints(META, data)


def test_the_meta_schema_and_the_code_know_the_same_verbs_and_keywords():
    rule = META["$defs"]["rule"]
    assert {one["required"][0] for one in rule["oneOf"]} == {*VERBS, *ELSEWHERE}
    assert set(META["$defs"]["condition"]["properties"]) == KEYWORDS


def test_rule_ids_are_unique_within_an_operation(operation):
    assert [name for name, count in Counter(rule["id"] for rule in operation.rules).items() if count > 1] == []


def test_every_rule_of_the_fact_sheet_is_in_some_operation():
    wanted = [("OV", 25), ("TV", 9), ("IV", 8), ("IG", 4), ("OI", 4), ("EL", 6), ("GEN", 4)]
    ids = {re.sub("[a-z]$", "", rule["id"]) for one in operations.operations().values() for rule in one.rules}
    ids |= {name for one in operations.operations().values() for name in field_rules(one.schema)}
    assert {f"{prefix}-{number:02}" for prefix, most in wanted for number in range(1, most + 1)} - ids == set()


def field_rules(schema):
    found = {schema["x-rule"]} if "x-rule" in schema else set()
    for inner in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        found |= field_rules(inner)
    return found


def leaf_fields(schema, at=""):
    for name, field in schema.get("properties", {}).items():
        yield f"{at}/{name}", field
        yield from leaf_fields(field, f"{at}/{name}")
        yield from leaf_fields(field.get("items", {}), f"{at}/{name}/*")


def test_every_pointer_in_the_data_leads_to_a_field(operation):
    known = {at for at, _ in leaf_fields(operation.schema)}
    known |= {f"{at}/*" for at, field in leaf_fields(operation.schema) if field["type"] in ("array", "object")}
    known |= {f"{at}/reference_type" for at in known if at.endswith("element_list/*")}  # put in by the check itself
    text = json.dumps(operation.kling)
    used = set(re.findall(r'"((?:/(?:[a-z][a-z0-9_]*|\*))+)"', text)) - {operation.path}
    used = {one for one in used if not one.startswith("/v1/")}
    assert used - known == set()


def test_every_field_has_a_description_for_the_editor(operation):
    assert [at for at, field in leaf_fields(operation.schema) if "description" not in field] == []


def test_every_media_limit_that_is_named_exists(operation):
    named = {one["limits"] for one in operation.kling["media"] if "limits" in one}
    assert named - set(operations.table("media")["limits"]) == set()


def test_no_word_of_the_tool_is_a_field_of_the_api(operation):
    assert TOOL_WORDS & {at.rpartition("/")[2] for at, _ in leaf_fields(operation.schema)} == set()
    assert set(operation.kling["sugar"]) <= TOOL_WORDS


def test_the_capability_map_names_known_models_and_fields():
    for name, models in operations.table("capabilities")["operations"].items():
        fields = operations.load_operation(name).fields
        assert set(models) == set(fields["model_name"]["enum"])
        for able in models.values():
            assert set(able) <= set(fields)
            for field, allowed in able.items():
                assert not isinstance(allowed, list) or set(allowed) <= set(fields[field].get("enum", (True, False)))


def test_defaults_are_valid_values(operation):
    for _, field in leaf_fields(operation.schema):
        if "default" in field:
            assert Draft202012Validator(field).is_valid(field["default"])
        for example in field.get("examples", ()):
            assert Draft202012Validator(field).is_valid(example)


def test_the_example_of_an_operation_passes_its_own_check(operation):
    assert [check(operation, example) for example in operation.schema["examples"]] == [[]]


def test_an_operation_is_found_by_name_and_by_path():
    assert (
        operations.find("omni-video")
        is operations.find("/v1/videos/omni-video/")
        is operations.load_operation("omni-video")
    )
    assert operations.find("omni-vidoe") is None
    with pytest.raises(KeyError):
        operations.load_operation("omni-vidoe")


def test_loading_one_operation_reads_no_other_file():
    script = """if True:
        import sys
        from kling_pipe.catalog import operations as catalog
        sys.addaudithook(lambda event, about: event == "open" and str(about[0]).endswith(".json") and print(about[0]))
        catalog.load_operation("text2video")
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    opened = sorted(PurePath(line).name for line in done.stdout.splitlines())
    assert opened == ["fields.json", "rules.json", "text2video.json"]


@pytest.mark.parametrize(
    ("name", "request_", "outputs", "slots", "quota"),
    [
        ("omni-video", {"model_name": "kling-v3-omni"}, 1, 1, ("video", "kling-v3-omni")),
        ("omni-video", {}, 1, 1, ("video", "kling-video-o1")),
        ("image-generation", {"n": 4, "model_name": "kling-v3"}, 4, 4, ("image", "kling-v3")),
        ("omni-image", {"n": 3}, 3, 3, ("image", "kling-image-o1")),
        ("omni-image", {"result_type": "series", "n": 3}, 4, 4, ("image", "kling-image-o1")),
        ("omni-image", {"result_type": "series", "series_amount": 6}, 6, 6, ("image", "kling-image-o1")),
        ("omni-image", {"result_type": "series", "series_amount": "auto"}, None, 9, ("image", "kling-image-o1")),
        ("omni-image", {"n": ""}, 1, 1, ("image", "kling-image-o1")),
        ("element", {}, 1, 1, (None, "")),
        ("tts", {"text": "Tea."}, 1, 0, ("video", "")),
        ("ai-multi-shot", {}, 9, 1, ("image", "")),
        ("video-to-audio", {}, 2, 1, ("video", "")),
    ],
)
def test_outputs_slots_and_pool_follow_from_the_request(name, request_, outputs, slots, quota):
    operation = operations.load_operation(name)
    assert operations.output_count(operation, request_) == outputs
    assert operations.weight(operation, request_) == slots
    assert operations.quota(operation, request_) == quota


def test_error_codes_are_classified_by_the_table():
    assert operations.error(1303)["create"] == "wait_slot"
    assert operations.error(1201)["create"] == "lookup"
    assert operations.error(1102)["stops"] == "pack"
    assert operations.error(4711) == operations.table("errors")["unknown"]


def test_each_code_has_one_row():
    rows = [row["code"] for row in operations.table("errors")["codes"]]
    assert rows == sorted(set(rows))


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Failure to pass the risk control system", "moderation"),
        ("Image pixel is invalid", "input"),
        ("The video width should not be less than 720px", "input"),
        ("From video not found by id", "input"),
        ("Service busy, please try again later", "transient"),
        ("gibberish", "unknown"),
        ("", "unknown"),
    ],
)
def test_task_failures_are_classified_by_their_message(message, kind):
    assert operations.failure_class(message) == kind


def test_the_examples_in_the_table_are_of_their_own_class():
    for row in operations.table("errors")["failures"]:
        assert operations.failure_class(row["example"]) == row["class"]


def test_vendor_messages_name_rules_that_exist():
    ids = {rule["id"] for one in operations.operations().values() for rule in one.rules}
    ids |= {name for one in operations.operations().values() for name in field_rules(one.schema)}
    for message in operations.table("errors")["messages"]:
        assert set(message.get("rules", ())) <= ids
