"""Every file under `tests/cases/<operation>/`: a request body and exactly what the check says about it.

A new case is a new file: `{description, operation, body, expect: [{rule, level, pointer}]}`, and where it matters
`element_kinds` (index -> kind), `strict`, or `lenient` (the body is coerced first, and the coercions are expected too).
"""

import json
from pathlib import Path

import pytest

from kling_pipe.catalog import operations
from kling_pipe.catalog.validation import check, coerce
from kling_pipe.catalog.validation.rules import rules
from kling_pipe.catalog.validation.view import view_of

FOLDER = Path(__file__).parent.parent / "cases"
CASES = {
    f"{path.parent.name}/{path.stem}": json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(path for name in operations.names() for path in (FOLDER / name).glob("*.json"))
}


def kinds_of(case):
    return {int(index): kind for index, kind in case.get("element_kinds", {}).items()}


def found_in(case):
    operation, body, coercions = operations.load_operation(case["operation"]), case["body"], []
    if case.get("lenient"):
        body, coercions = coerce(operation, body)
    found = check(operation, body, element_kinds=kinds_of(case), strict=case.get("strict", False))
    return [*coercions, *found]


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_found_to_be_what_it_says(name):
    case = CASES[name]
    assert name.startswith(f"{case['operation']}/")
    found = {(finding.rule, finding.level, finding.pointer) for finding in found_in(case)}
    assert found == {(one["rule"], one["level"], tuple(one["pointer"])) for one in case["expect"]}


@pytest.mark.parametrize("name", CASES)
def test_findings_are_sentences_with_a_source(name):
    for finding in found_in(CASES[name]):
        assert finding.source
        assert "{" not in finding.message
        assert 10 < len(finding.message) < 250


SHARED = {rule["id"] for rule in operations.table("rules")["general"]}


def decidable():
    """Every rule of every operation that a body alone can break; the general ones once for all operations."""
    for operation in operations.operations().values():
        for rule in rules(operation):
            if rule.data["id"] not in SHARED:
                yield operation.name, rule


EACH_RULE = [pytest.param(*one, id=f"{one[0]}-{one[1].data['id']}") for one in decidable()]


@pytest.mark.parametrize(("name", "rule"), EACH_RULE)
def test_a_rule_has_a_case_that_it_catches_and_one_that_it_accepts(name, rule):
    """Accepting means that the rule's condition holds and the rule still has nothing to say."""
    mine = [case for case in CASES.values() if case["operation"] == name and not case.get("lenient")]
    catching = [case for case in mine if rule.data["id"] in {one["rule"] for one in case["expect"]}]
    accepting = [case for case in mine if applies(rule, case) and not hits(rule, case)]
    assert catching
    assert accepting


def seen(case):
    return view_of(operations.load_operation(case["operation"]), case["body"], kinds_of(case))


def applies(rule, case):
    return not case["expect"] and rule.when(seen(case).read)


def hits(rule, case):
    return list(rule.verb.hits(seen(case)))


@pytest.mark.parametrize("rule", sorted(SHARED))
def test_a_general_rule_has_a_case_that_it_catches(rule):
    assert any(rule == one["rule"] for case in CASES.values() for one in case["expect"])
