"""Requests that nobody here wrote: from the vendor's pages and from public clients, texts and addresses replaced.

`docs/api/conformance.md` lists them with what we say of each; a new case is a file in `tests/cases/conformance/` and
a row there.
"""

import json
import re
from pathlib import Path

import pytest

from kling_pipe.catalog import operations
from kling_pipe.catalog.validation import check, coerce

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api" / "conformance.md").read_text(encoding="utf-8")
CASES = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "tests" / "cases" / "conformance").glob("*.json"))
}
MENDED = {"t2v-v3-intelligence-string-bool", "i2v-v3-multishot-string-bool"}
"""Refused as they are, accepted by `check --lenient`: nothing is lost by reading "true" as true."""


def verdict(found):
    levels = {finding.level for finding in found}
    return "refused" if "error" in levels else "warned" if "warn" in levels else "accepted"


@pytest.mark.parametrize("name", CASES)
def test_a_foreign_request_is_judged_as_the_page_says(name):
    """The verdict, the rules behind it, and the row on the page."""
    case = CASES[name]
    operation = operations.find(case["path"])
    found = check(operation, case["body"])
    assert verdict(found) == case["verdict"]
    worst = [one for one in found if one.level == "error"] or found
    assert sorted({one.rule for one in worst}) == case["rules"]
    rules = ", ".join(f"`{rule}`" for rule in case["rules"])
    assert f"| {operation.name} | {case['description']} | {case['source']} | {case['verdict']} | {rules} |" in PAGE


@pytest.mark.parametrize("name", CASES)
def test_leniency_mends_types_and_nothing_else(name):
    """What is wrong in substance stays refused."""
    case = CASES[name]
    operation = operations.find(case["path"])
    body, _ = coerce(operation, case["body"])
    mended = case["verdict"] == "refused" and verdict(check(operation, body)) != "refused"
    assert mended == (name in MENDED)


def test_the_page_lists_nothing_else():
    """As many rows as cases, and every rule that the page names is one."""
    assert len(re.findall(r"\| (?:accepted|warned|refused) \|", PAGE)) == len(CASES)
    known = {rule["id"] for one in operations.operations().values() for rule in one.rules}
    named = set(re.findall(r"`([A-Z]{2,3}-\d\d[a-z]?)`", PAGE))
    fields = {name for name in named if name not in known}
    assert fields <= set(re.findall(r'"x-rule": "([A-Z]{2,3}-\d\d)"', texts_of_the_schemas()))


def texts_of_the_schemas():
    folder = operations.schemas_folder()
    return "".join(
        path.read_text(encoding="utf-8") for path in [*folder.glob("*.json"), *folder.glob("operations/*.json")]
    )
