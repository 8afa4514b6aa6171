"""The check itself: fields, coercion, quiet echoes, speed, and rules that must not contradict each other."""

import copy
import itertools
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kling_pipe.catalog import operations
from kling_pipe.catalog.conditions import compiled, reads
from kling_pipe.catalog.defaults import written
from kling_pipe.catalog.operations import Operation
from kling_pipe.catalog.validation import check, coerce, scalar
from kling_pipe.catalog.validation.fields import valid
from kling_pipe.catalog.validation.prompt_tokens import tokens
from kling_pipe.catalog.validation.rules import rules
from kling_pipe.catalog.validation.view import view_of
from kling_pipe.core.json_pointer import fixed, touches, walk

OMNI = operations.load_operation("omni-video")
GOOD = {"model_name": "kling-v3-omni", "aspect_ratio": "16:9", "prompt": "rain on a tin roof"}
CASES = [
    json.loads(path.read_text(encoding="utf-8"))
    for name in operations.names()
    for path in sorted((Path(__file__).parent.parent / "cases" / name).glob("*.json"))
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def only(findings):
    assert len(findings) == 1, findings
    return findings[0]


# Single fields: every constraint of every schema has a value that breaks it.


def constraints(schema, at=()):
    for name, field in schema.get("properties", {}).items():
        yield from ((*at, name), field) and [((*at, name), field, keyword) for keyword in field if keyword in BREAK]
        yield from constraints(field, (*at, name))
        yield from constraints(field.get("items", {}), (*at, name, 0))
        for keyword in set(field.get("items", {})) & set(BREAK):
            yield (*at, name, 0), field["items"], keyword


BREAK = {
    "type": lambda _: {"not": "this"},
    "enum": lambda _: "nothing of the kind",
    "pattern": lambda _: "!",
    "minLength": lambda _: "",
    "maxLength": lambda most: "x" * (most + 1),
    "minimum": lambda least: least - 1,
    "maximum": lambda most: most + 1,
    "maxItems": lambda most: [{}] * (most + 1),
}
EACH_CONSTRAINT = [
    pytest.param(operation, *one, id=f"{operation.name}/{'/'.join(map(str, one[0]))}-{one[2]}")
    for operation in operations.operations().values()
    for one in constraints(operation.schema)
]


def with_value(pointer, value):
    """The smallest body that has a value at a place; items before it are filled with mappings."""
    for step in reversed(pointer):
        value = [value] if isinstance(step, int) else {step: value}
    return value


@pytest.mark.parametrize(("operation", "pointer", "field", "keyword"), EACH_CONSTRAINT)
def test_a_value_that_breaks_a_constraint_is_reported_at_its_place(operation, pointer, field, keyword):
    value = BREAK[keyword](field[keyword])
    if keyword == "type" and field["type"] == "object":
        value = "text"
    body = with_value(pointer, value)
    found = [one for one in check(operation, body) if one.pointer == pointer and one.level == "error"]
    if keyword == "minLength":  # a blank value is an absent one
        found = [one for one in check(operation, body) if one.pointer[: len(pointer)] == pointer]
    assert found
    assert found[0].message
    assert found[0].source


@pytest.mark.parametrize("operation", operations.operations().values(), ids=operations.names())
def test_required_fields_are_reported_where_they_would_stand(operation):
    names = operation.schema.get("required", [])
    assert {one.pointer for one in check(operation, {}) if one.rule == "schema/required"} == {(name,) for name in names}


@given(st.data())
def test_the_fast_answer_and_jsonschema_agree(data):
    """Whatever stands in a body, the compiled conditions say valid exactly when jsonschema does."""
    case = data.draw(st.sampled_from(CASES))
    body = written(mutated(data, case["body"]))
    operation = operations.load_operation(case["operation"])
    assert valid(operation)(body) == Draft202012Validator(operation.schema).is_valid(body)


@given(st.data())
def test_no_body_makes_the_check_fall_over(data):
    case = data.draw(st.sampled_from(CASES))
    for finding in check(operations.load_operation(case["operation"]), mutated(data, case["body"])):
        assert finding.level in ("error", "warn")
        assert finding.message
        assert finding.rule


def mutated(data, body):
    """The body with one value anywhere in it replaced by any JSON value."""
    body = copy.deepcopy(body)
    places = list(all_places(body, ()))
    place = data.draw(st.sampled_from(places))
    target = body
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = data.draw(json_values)
    return body


def all_places(value, at):
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in inner:
        yield (*at, step)
        yield from all_places(item, (*at, step))


# What a finding says.


def test_a_wrong_word_is_told_with_what_is_allowed_and_a_near_match():
    finding = only(check(OMNI, {**GOOD, "mode": "prro"}))
    assert (finding.rule, finding.found, finding.allowed, finding.near) == (
        "schema/enum", "prro", "std, pro or 4k", "pro",
    )  # fmt: skip
    assert finding.message == "`mode` is `prro`; it can be std, pro or 4k"


def test_a_number_where_text_is_due_comes_with_what_to_write():
    finding = only(check(OMNI, {**GOOD, "duration": 5}))
    assert finding.message == "`duration` is the number 5; it must be text"
    assert finding.hint == 'write "5", in quotes'


@pytest.mark.parametrize(("value", "word"), [(True, "on"), (False, "off")])
def test_a_boolean_for_on_or_off_is_explained_and_never_guessed(value, word):
    finding = only(check(OMNI, {**GOOD, "sound": value}))
    assert finding.message == f"`sound` is {str(value).lower()}; it can be on or off"
    assert finding.hint == f"write {word}, as text"


def test_a_long_shot_is_named_as_a_person_counts():
    shots = [{"index": 1, "prompt": "a", "duration": "2"}, {"index": 2, "prompt": "x" * 538, "duration": "3"}]
    finding = only(
        check(OMNI, {**GOOD, "prompt": "", "multi_shot": True, "shot_type": "customize", "multi_prompt": shots})
    )
    assert finding.message == "shot 2: `prompt` has 538 of 512 characters"
    assert finding.rule == "OV-05"


def test_durations_are_told_as_a_range():
    body = {"model_name": "kling-video-o1", "aspect_ratio": "1:1", "prompt": "<<<image_1>>>", "duration": "12",
            "image_list": [{"image_url": "iVBOR"}]}  # fmt: skip
    assert only(check(OMNI, body)).message == "kling-video-o1 makes 3 to 10 s, not 12"


def test_an_unknown_key_comes_with_a_near_match():
    finding = only(check(OMNI, {**GOOD, "kallback_url": "x"}))
    assert finding.near == "callback_url"


def test_placeholders_for_media_and_elements_pass():
    body = {**GOOD, "prompt": "<<<image_1>>> <<<element_1>>>", "image_list": [{"image_url": "image.keyframe"}],
            "element_list": [{"element_id": 1}]}  # fmt: skip
    assert check(OMNI, body) == []


@pytest.mark.parametrize("model", ["kling-v3-omnii", 7, None])
def test_a_wrong_model_does_not_echo_in_rules_about_models(model):
    body = {**GOOD, "model_name": model or "", "sound": "on", "duration": "15"}
    found = check(OMNI, body)
    assert {one.pointer for one in found} == ({("model_name",)} if model else {("sound",), ("duration",)})


def test_one_place_is_reported_by_one_rule():
    """15 s of text on kling-video-o1 breaks two rules about the same value."""
    assert only(check(OMNI, {"aspect_ratio": "1:1", "prompt": "x", "duration": "15"})).rule == "OV-20d"


def test_errors_stand_before_warnings():
    levels = [
        one.level for one in check(OMNI, {"prompt": "@image_1", "video_list": [{"video_url": "u"}], "duration": "9"})
    ]
    assert levels == sorted(levels)


# Coercion.


@pytest.mark.parametrize(
    ("wanted", "value", "result"),
    [
        ("string", 5, "5"),
        ("string", 5.0, "5"),
        ("string", 0.5, "0.5"),
        ("string", -3, "-3"),
        ("string", 10**17 + 1, "100000000000000001"),
        ("string", 1e21, "1000000000000000000000"),
        ("string", True, True),
        ("string", None, None),
        ("string", "05", "05"),
        ("integer", "3", 3),
        ("integer", "829836802793406551", 829836802793406551),
        ("integer", 3.0, 3),
        ("integer", 3.5, 3.5),
        ("integer", "03", "03"),
        ("integer", "3.0", "3.0"),
        ("integer", "+3", "+3"),
        ("integer", " 3", " 3"),
        ("integer", "٣", "٣"),
        ("integer", True, True),
        ("number", "0.5", 0.5),
        ("number", "3", 3),
        ("number", "0.50", "0.50"),
        ("number", 3, 3),
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("boolean", "True", "True"),
        ("boolean", 1, 1),
        (["integer", "string"], "12", 12),
        (["integer", "string"], "auto", "auto"),
        ("array", "x", "x"),
        ("object", 5, 5),
    ],
)  # fmt: skip
def test_a_scalar_is_coerced_only_where_nothing_is_lost(wanted, value, result):
    """This is part of what job keys mean: a changed line here makes people pay twice."""
    found = scalar({"type": wanted}, value)
    assert found == result
    assert type(found) is type(result)


@given(json_values, st.sampled_from(["string", "integer", "number", "boolean"]))
def test_coercing_twice_is_coercing_once(value, wanted):
    once = scalar({"type": wanted}, value)
    again = scalar({"type": wanted}, once)
    assert again == once
    assert type(again) is type(once)


@given(st.integers(), st.sampled_from(["string", "integer"]))
def test_whole_numbers_survive_the_way_there_and_back(value, wanted):
    assert scalar({"type": "integer"}, scalar({"type": wanted}, value)) == value


def test_not_a_number_stays_for_the_check_to_report():
    assert scalar({"type": "string"}, float("inf")) == float("inf")


def test_coercing_a_body_tells_of_each_change_and_leaves_the_rest():
    body = {"multi_shot": "true", "duration": 5, "sound": True, "unknown": 3, "multi_prompt": [{"index": "1"}, "odd"]}
    after, found = coerce(OMNI, body)
    assert after == {
        "multi_shot": True, "duration": "5", "sound": True, "unknown": 3, "multi_prompt": [{"index": 1}, "odd"],
    }  # fmt: skip
    assert [one.pointer for one in found] == [("multi_shot",), ("duration",), ("multi_prompt", 0, "index")]
    assert {(one.rule, one.level) for one in found} == {("GEN-04", "warn")}
    assert body["duration"] == 5


@given(st.data())
def test_coercion_never_falls_over(data):
    case = data.draw(st.sampled_from(CASES))
    coerce(operations.load_operation(case["operation"]), mutated(data, case["body"]))


# Rules as data.


def test_a_keyword_outside_the_subset_is_refused_when_it_is_compiled():
    with pytest.raises(ValueError, match="minProperties"):
        compiled({"properties": {"a": {"minProperties": 1}}})


def test_a_condition_names_the_places_that_it_reads():
    condition = {"properties": {"a": {"contains": {"required": ["b"]}}}, "not": {"anyOf": [{"required": ["c"]}]}}
    assert set(reads(condition)) == {"/a", "/a/*/b", "/c"}


def test_pointers_walk_and_touch():
    assert list(walk({"a": [{"b": 1}, {}, {"b": 2}]}, "/a/*/b")) == [(("a", 0, "b"), 1), (("a", 2, "b"), 2)]
    assert list(walk({"a": {"x": 1}}, "/a/*")) == [(("a", "x"), 1)]
    assert list(walk(5, "")) == [((), 5)]
    assert fixed("/a/*/b") == ("a",)
    assert touches(("a", 3), "/a/*/b")
    assert not touches(("a", 3, "c"), "/a/*/b")
    assert not touches(("a", 3, "b", "d"), "/a/*/b")


def test_tokens_are_read_in_order():
    assert tokens("<<<image_2>>> and <<<element_10>>> not <<video_1>>") == [("image", 2), ("element", 10)]


def demands(rule, body, operation):
    """What an applicable rule wants of single fields: present, absent, or a set of values."""
    data = rule.data
    for pattern in alone(data):
        yield pattern, "present"
    for pattern in data.get("forbid", ()):
        yield pattern, "absent"
    for pattern, values in data.get("only", {}).items():
        yield pattern, frozenset(map(str, values))
    models = operations.table("capabilities")["operations"].get(operation.name, {})
    for field in data.get("capability", ()):
        able = models.get(body.get("model_name"), {}).get(field, True)
        if able is not True:
            yield f"/{field}", frozenset(map(str, able)) if able else "absent"


def alone(data):
    """Fields that a rule requires, without those of which any will do."""
    return [one for one in data.get("require", ()) if isinstance(one, str)]


def contradict(one, other):
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        return not one & other
    return {one, other} == {"present", "absent"}


def domains(operation):
    """For each field some values: all of its enum, what the cases have, and none at all."""
    found = {}
    for name, field in operation.fields.items():
        values = [*field.get("enum", ()), *([True, False] if field["type"] == "boolean" else ())]
        values += [case["body"][name] for case in CASES if case["operation"] == operation.name and name in case["body"]]
        unique = {json.dumps(value): value for value in values if value not in ("", None, [])}
        found[name] = [..., *unique.values()]
    return found


def contradictions(operation):
    """Pairs of rules that, on some body, want things of one field that cannot both be."""
    every, values = rules(operation), domains(operation)
    for one, other in itertools.combinations(every, 2):
        if not {p for p, _ in wishes(one)} & {p for p, _ in wishes(other)}:
            continue
        looked_at = {"/model_name", *(at for rule in (one, other) for at in reads(rule.data.get("when", {})))}
        names = sorted({at.split("/")[1] for at in looked_at} & set(values))
        for combination in itertools.product(*(values[name][:40] for name in names)):
            body = {name: value for name, value in zip(names, combination, strict=True) if value is not ...}
            read = view_of(operation, body, {}).read
            if one.when(read) and other.when(read):
                pairs = itertools.product(demands(one, read, operation), demands(other, read, operation))
                if any(left[0] == right[0] and contradict(left[1], right[1]) for left, right in pairs):
                    yield one.data["id"], other.data["id"], body


def wishes(rule):
    data = rule.data
    names = [*alone(data), *data.get("forbid", ()), *data.get("only", {})]
    return [(name, None) for name in [*names, *(f"/{field}" for field in data.get("capability", ()))]]


@pytest.mark.parametrize("name", operations.names())
def test_no_two_rules_contradict_each_other(name):
    assert next(contradictions(operations.load_operation(name)), None) is None


def test_a_contradiction_would_be_found():
    planted = {"id": "OV-98", "level": "error", "forbid": ["/aspect_ratio"], "say": "x", "source": "x",
               "when": {"properties": {"mode": {"const": "4k"}}, "required": ["mode"]}}  # fmt: skip
    schema = {**OMNI.schema, "x-kling": {**OMNI.kling, "rules": [*OMNI.rules, planted]}}
    assert {pair[:2] for pair in itertools.islice(contradictions(Operation("omni-video", schema)), 1)} == {
        ("OV-15", "OV-98")
    }


def test_a_thousand_bodies_are_checked_with_all_rules_in_no_time():
    """The budget is 150 ms on a quiet machine; the test leaves room for a busy one."""
    bodies = [(operations.load_operation(case["operation"]), case["body"]) for case in CASES if not case["expect"]]
    for one in bodies:
        check(*one)
    start = time.process_time()
    for operation, body in itertools.islice(itertools.cycle(bodies), 1000):
        check(operation, body)
    assert time.process_time() - start < 0.3
