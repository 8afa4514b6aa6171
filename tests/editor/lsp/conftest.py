"""One server for all tests of a run: it starts once, and every test has files of its own names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lsp_client import Editor
from PIL import Image
from sample_campaign import LIBRARY


@pytest.fixture(scope="package")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """A running server in a folder with a library and a picture."""
    folder = tmp_path_factory.mktemp("lsp")
    for name, colour in (("hana", "teal"), ("side", "navy")):
        Image.new("RGB", (320, 320), colour).save(folder / f"{name}.png")
    (folder / "library.yaml").write_text(LIBRARY, encoding="utf-8")
    found = Editor(folder)
    yield found
    assert found.close() == 0


@pytest.fixture
def folder(editor: Editor) -> Path:
    """The editor's folder."""
    return editor.folder
