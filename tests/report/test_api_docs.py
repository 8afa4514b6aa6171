"""`docs/api/` is what the schemas make of it."""

from pathlib import Path

import pytest

from kling_pipe.catalog import operations
from kling_pipe.report import api_docs

FOLDER = Path(__file__).parents[2] / "docs" / "api"


def test_the_pages_are_current():
    """If not: `python -m kling_pipe.report.api_docs`."""
    generated = [path for path in FOLDER.glob("*.md") if path.name != "conformance.md"]
    assert {path.name: path.read_text(encoding="utf-8") for path in generated} == api_docs.pages()


@pytest.mark.parametrize("name", operations.names())
def test_a_page_names_every_field_and_every_rule(name):
    operation = operations.load_operation(name)
    text = api_docs.page(operation)
    assert [field for field in operation.fields if f"`{field}`" not in text] == []
    assert [rule["id"] for rule in operation.rules if f"| {rule['id']} |" not in text] == []


def test_the_tables_have_as_many_cells_in_each_row():
    for text in api_docs.pages().values():
        for block in text.split("\n\n"):
            rows = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
            assert len({row.count("|") for row in rows}) <= 1


def test_no_placeholder_is_left_in_a_page():
    assert [name for name, text in api_docs.pages().items() if "{found}" in text or "{allowed}" in text] == []
