"""A session with the language server: a real client, a real process, texts that nobody has saved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from itertools import count
from pathlib import Path

import pytest
from lsp_client import HERE, ROOT, Editor
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from sample_campaign import CAMPAIGN, LIBRARY

from kling_pipe import api
from kling_pipe.cli.main import VERBS
from kling_pipe.errors import ManifestInvalid

_NUMBERS = count(1)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PROMPT = "{{ element.kettle }}, {{ vars.look }}\n"


@pytest.fixture
def name() -> str:
    """A document that no other test has opened."""
    return f"tea{next(_NUMBERS)}.yaml"


def after(anchor: str, text: str) -> str:
    """The campaign with a text (and the cursor in it) behind an anchor."""
    assert anchor in CAMPAIGN
    return CAMPAIGN.replace(anchor, anchor + text, 1)


def instead(anchor: str, text: str) -> str:
    """The campaign with a text (and the cursor in it) in place of another."""
    assert anchor in CAMPAIGN
    return CAMPAIGN.replace(anchor, text, 1)


# -- problems ------------------------------------------------------------------------------------------------------


def test_a_sound_text_has_no_problems(editor: Editor, name: str) -> None:
    """Not a single squiggle under what would run."""
    editor.type(name, CAMPAIGN)

    assert editor.problems(name) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("mode: std", "mdoe: std"),
        ("mode: std", "mode: fast"),
        ("first_frame: image.keyframe", "first_frame: image.keyfram"),
        ("beside {{ element.kettle }}", "beside {{ element.kettel }}"),
        ("      {{ element.kettle }}, {{ vars.look }}\n", "      {{ element.kettle }}, {{ vars.lok }}\n"),
        ("duration: 5", "duration: 99"),
        ("project: tea", "project: Tea Time"),
        ("brand: library.yaml", "brand: libary.yaml"),
        ("    duration: 5\n", "    duration: 5\n    duration: 6\n"),
        ("videos:\n", "videos: [\n"),
    ],
)
def test_problems_are_those_of_the_checker(editor: Editor, folder: Path, name: str, right: str, wrong: str) -> None:
    """The same ids, words and places as on the command line, about a text that is not saved."""
    assert right in CAMPAIGN
    text = CAMPAIGN.replace(right, wrong, 1)
    editor.type(name, text)
    shown = editor.problems(name)
    saved = folder / f"saved-{name}"
    saved.write_text(text, encoding="utf-8")

    with pytest.raises(ManifestInvalid) as caught:
        api.load(saved)
    said = [
        (problem.id, problem.position.line, text.split("\n")[problem.position.line - 1][: problem.position.column - 1])
        for problem in caught.value.problems
        if problem.position
    ]
    assert [(one.code, one.range.start.line + 1) for one in shown] == [(id, line) for id, line, _ in said]
    for one, problem, (_, _, before) in zip(shown, caught.value.problems, said, strict=True):
        assert problem.message in one.message
        assert one.range.start.character == len(before.encode("utf-16-le")) // 2
        assert one.range.end.character >= one.range.start.character


def test_a_problem_says_what_was_meant_and_where_the_rule_is_from(editor: Editor, name: str) -> None:
    """The message has the facts that the command line shows below the caret."""
    editor.type(name, instead("mode: std", "mode: fast"))
    (shown,) = editor.problems(name)

    assert shown.severity == types.DiagnosticSeverity.Error
    assert "it can be std, pro or 4k" in shown.message
    assert "omni-video page" in shown.message
    assert (shown.code, shown.source) == ("schema/enum", "kling-pipe")


def test_a_problem_goes_when_it_is_mended(editor: Editor, name: str) -> None:
    """What is typed counts, not what was saved."""
    editor.type(name, instead("mode: std", "mode: fast"))
    before = editor.problems(name)
    editor.type(name, CAMPAIGN)

    assert (len(before), editor.problems(name)) == (1, [])


def test_an_included_file_is_read_as_it_is_typed(editor: Editor, name: str) -> None:
    """A name that is only in the other unsaved document is known, and one that was removed is not."""
    editor.type("library.yaml", LIBRARY.replace("  hana:", "  mika:"))
    editor.type(name, CAMPAIGN)
    lost = editor.problems(name)
    editor.type(name, CAMPAIGN.replace("brand.hana", "brand.mika"))
    found = editor.problems(name)
    editor.leave("library.yaml")

    assert {one.code for one in lost} == {"KP301"}
    assert found == []


def test_a_problem_of_an_included_file_is_shown_there(editor: Editor, name: str) -> None:
    """Once, although two documents know of it."""
    editor.type("library.yaml", LIBRARY.replace("image_refer", "image_ref"))
    editor.type(name, CAMPAIGN)
    editor.problems(name)
    shown = editor.problems("library.yaml")
    editor.leave("library.yaml")

    assert [one.range.start.line for one in shown] == [5]


def test_closing_a_document_takes_its_problems_away(editor: Editor, name: str) -> None:
    """An unsaved mistake does not stay on the screen."""
    editor.type(name, instead("mode: std", "mode: fast"))
    editor.problems(name)
    editor.leave(name)

    assert editor.problems(name) == []


def test_a_change_on_the_disk_is_noticed(editor: Editor, folder: Path, name: str) -> None:
    """Somebody saves a table in another program, and the editor says so."""
    table = folder / f"{name}.csv"
    table.write_text("tea,place\nsencha,hill\n", encoding="utf-8")
    text = f"project: x\nimages:\n  a:\n    model_name: kling-v3-omni\n    matrix: {{ from: {table.name} }}\n"
    editor.type(name, text + '    prompt: "{{ matrix.place }}"\n')
    before = editor.problems(name)
    table.write_text("tea,land\nsencha,hill\n", encoding="utf-8")
    editor.published.clear()
    change = types.FileEvent(editor.uri(table.name), types.FileChangeType.Changed)
    editor.tell(types.WORKSPACE_DID_CHANGE_WATCHED_FILES, types.DidChangeWatchedFilesParams([change]))
    after_it = editor.problems(name)

    assert before == []
    assert [(one.code, one.range.start.line) for one in after_it] == [("KP201", 5)]
    assert editor.labels(name, text + '    prompt: "{{ matrix.§ }}"\n') == ["tea", "land"]


def test_remarks_and_settings_are_heeded(editor: Editor, folder: Path) -> None:
    """`# kp: ignore` on the line and `[rules]` in kling-pipe.toml mean the same as on the command line."""
    (folder / "strict").mkdir()
    (folder / "strict" / "kling-pipe.toml").write_text('[rules]\nKP305 = "error"\n', encoding="utf-8")
    text = 'project: x\nimages:\n  a:\n    model_name: kling-v3-omni\n    prompt: "{{ matrix.b }}"\n    matrix:\n'
    text += "      b: [x, y]\n      exclude: [{ b: z }]\n"
    editor.type("strict/a.yaml", text)
    editor.type("loose.yaml", text)
    editor.type("remark.yaml", text.replace("}]\n", "}]  # kp: ignore KP305\n"))
    levels = [
        [one.severity for one in editor.problems(name)] for name in ("strict/a.yaml", "loose.yaml", "remark.yaml")
    ]

    assert levels == [[types.DiagnosticSeverity.Error], [types.DiagnosticSeverity.Warning], []]


def test_a_local_film_is_fine_where_the_settings_say_where_it_goes(editor: Editor, folder: Path) -> None:
    """With `[publish]` it is looked at, without it is refused; as on the command line."""
    (folder / "bucket").mkdir()
    (folder / "bucket" / "kling-pipe.toml").write_text('[publish]\nto = "s3://inputs/x"\n', encoding="utf-8")
    text = "project: x\nvideos: { clip: gone.mp4 }\n"
    editor.type("bucket/a.yaml", text)
    editor.type("none.yaml", text)

    assert [[one.code for one in editor.problems(name)] for name in ("bucket/a.yaml", "none.yaml")] == [
        ["KP303"],
        ["KP309"],
    ]


def test_what_the_second_standard_lacks_is_shown_where_the_settings_name_it(editor: Editor, folder: Path) -> None:
    """With `standard = "v2"` as `validate` says it; a standard that does not exist keeps no editor from working."""
    for name in ("v2", "v9"):
        (folder / name).mkdir()
        (folder / name / "kling-pipe.toml").write_text(f'standard = "{name}"\n', encoding="utf-8")
    text = "project: x\nvideos:\n  a:\n    api: text2video\n    model_name: kling-v3\n    prompt: rain\n"
    text += "    negative_prompt: captions\n"
    for name in ("v2/a.yaml", "v9/a.yaml", "first.yaml"):
        editor.type(name, text)

    assert [[one.code for one in editor.problems(name)] for name in ("v2/a.yaml", "v9/a.yaml", "first.yaml")] == [
        ["KP340"],
        [],
        [],
    ]


def test_an_account_that_nobody_named_is_shown_where_it_stands(editor: Editor, folder: Path) -> None:
    """With the names of kling-pipe.toml; as the command line, which knows of none without it, has it."""
    (folder / "two").mkdir()
    (folder / "two" / "kling-pipe.toml").write_text('[accounts.main]\napi_key_env = "MAIN_KEY"\n', encoding="utf-8")
    text = "project: x\nimages:\n  a: { model_name: kling-v3-omni, aspect_ratio: '1:1', account: main, prompt: rain }\n"
    for name, one in (("two/a.yaml", text), ("two/b.yaml", text.replace("main", "mian")), ("none.yaml", text)):
        editor.type(name, one)
    found = [
        [(one.code, one.range.start.character) for one in editor.problems(name) if one.code == "KP408"]
        for name in ("two/a.yaml", "two/b.yaml", "none.yaml")
    ]

    assert found == [[], [("KP408", 64)], [("KP408", 64)]]


def test_other_peoples_yaml_is_left_alone(editor: Editor, name: str) -> None:
    """A compose file gets no squiggles, no completion, no hover."""
    text = "version: '3'\nservices:\n  web:\n    image: nginx\n"
    editor.type("compose.yaml", text)
    editor.type(name, CAMPAIGN)
    editor.problems(name)

    assert editor.uri("compose.yaml") not in editor.published
    assert (
        editor.ask(types.TEXT_DOCUMENT_HOVER, types.HoverParams(**editor.at("compose.yaml", f"v{HERE}{text[1:]}")))
        is None
    )


# -- completion ----------------------------------------------------------------------------------------------------

COMPLETIONS = {
    "names of elements and includes": (instead(PROMPT, "{{ element.§"), ["kettle", "brand"]),
    "names inside an include": (instead(PROMPT, "{{ element.brand.§ }}"), ["hana"]),
    "images in a template": (instead("says", "like {{ image.§ }} says"), ["keyframe", "brand"]),
    "videos in a template": (instead("says", "like {{ video.§ }} says"), ["teaser"]),
    "cells of a job": (instead("says", "like {{ image.keyframe['§'] }} says"), ["16:9", "9:16"]),
    "members of a name": (instead("says", "like {{ image.keyframe.§ }} says"), ["output(1)", "take(1)"]),
    "variables": (instead("says", "{{ vars.§ }}"), ["look", "line"]),
    "variables inside of one": (instead("says", "{{ vars.line['§'] }}"), ["jp", "us"]),
    "axes": (instead("says", "{{ matrix.§ }}"), ["market", "ratio"]),
    "what a template may begin with": (
        instead("says", "{{ § }}"), ["element", "image", "video", "vars", "matrix", "job", "take"],
    ),
    "facts of the job": (instead("says", "{{ job.§ }}"), ["address", "kind", "name", "project"]),
    "apis": (instead("    duration: 5\n", "    api: §\n"), ["omni-video", "text2video", "image2video"]),
    "enum values": (instead("mode: std", "mode: §"), ["std", "pro", "4k"]),
    "values without a space yet": (instead("sound: off", "sound:§"), ["on", "off"]),
    "fields": (after("    duration: 5\n", "    mod§\n"), ["mode", "model_name"]),
    "fields on an empty line": (after("    duration: 5\n", "    §\n"), ["mode", "tags", "shots"]),
    "fields of a layer": (instead("mode: std", "§"), ["mode", "tags"]),
    "fields of a shot": (instead("    duration: 5\n", "    shots:\n      - §\n"), ["prompt", "duration"]),
    "words at the top": ("project: x\nvi§", ["videos", "images", "elements"]),
    "names as a value": (instead("image.keyframe", "§"), ["image.keyframe", "image.brand.mark"]),
    "names in a list": (
        after("    duration: 5\n", "    references: [§]\n"), ["element.kettle", "element.brand.hana", "image.keyframe"],
    ),
    "names in a list of lines": (after("    duration: 5\n", "    needs:\n      - im§\n"), ["image.keyframe"]),
    "names beside ids": (
        "project: x\nelements:\n  a:\n    element_name: A\n    tag_list: [§]\n", ["character", "item"],
    ),
    "budget": ("project: x\nbudget: { usd: 2, § }\n", ["video", "image", "per_job"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), COMPLETIONS.values(), ids=COMPLETIONS)
def test_completion_offers(editor: Editor, name: str, text: str, wanted: list[str]) -> None:
    """Names of every kind, variables, axes, fields, values, operations, wherever they fit."""
    assert set(wanted) <= set(editor.labels(name, text))


def test_fields_follow_the_api(editor: Editor, name: str) -> None:
    """An operation's own fields are offered, those of others are not, and nothing twice."""
    text = "project: x\nvideos:\n  a:\n    api: text2video\n    cfg_scale: 0.5\n    §\n"
    offered = editor.labels(name, text)

    assert {"negative_prompt", "camera_control"} <= set(offered)
    assert not {"image_list", "cfg_scale", "api", "external_task_id"} & set(offered)


def test_filters_are_offered_after_a_bar(editor: Editor, name: str) -> None:
    """Those of the closed list, and no others."""
    offered = editor.labels(name, instead("says", "{{ vars.look | § }}"))

    assert {"slug", "upper"} <= set(offered)
    assert "tojson" not in offered


def test_a_choice_replaces_what_was_typed(editor: Editor, name: str) -> None:
    """Behind an emoji too, where columns are easily miscounted."""
    (found,) = [
        one for one in editor.completed(name, instead("🍵 ", "🍵🍵 {{ element.ket§ }} ")) if one.label == "kettle"
    ]

    assert isinstance(found.text_edit, types.TextEdit)
    assert (found.text_edit.range.start.character, found.text_edit.range.end.character) == (22, 25)


def test_fields_come_with_their_meaning(editor: Editor, name: str) -> None:
    """The description is there before a field is chosen."""
    (mode,) = [one for one in editor.completed(name, after("    duration: 5\n", "    §\n")) if one.label == "mode"]

    assert "1080p" in mode.documentation.value


def test_nothing_is_offered_in_a_comment(editor: Editor, name: str) -> None:
    """A sentence is a sentence."""
    assert editor.labels(name, after("project: tea", "  # mode§")) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("elements:\n  kettle: 12\nimages: [\nvideos:\n  a:\n    prompt: \"{{ element.§", "kettle"),
        ("project: x\nelements:\n  kettle:\n   - : {\n  x: 'y\nvideos: {a: {first_frame: §", "image.logo"),
        ("project: x\nimages:\n  logo: hana.png\n  other: {{ broken\nvideos:\n  a:\n    first_frame: §", "image.logo"),
    ],
)  # fmt: skip
def test_names_are_offered_while_the_text_is_no_yaml(editor: Editor, name: str, text: str, wanted: str) -> None:
    """From the last text that could be read, and from the lines as they stand."""
    sound = "project: x\nimages: { logo: hana.png }\nelements: { kettle: 12 }\n"
    editor.type(name, sound)
    editor.problems(name)

    assert wanted in editor.labels(name, text)


# -- hover ---------------------------------------------------------------------------------------------------------


def test_hover_shows_the_compiled_prompt(editor: Editor, name: str) -> None:
    """Each cell's text with its numbers, what they stand for, and the price."""
    shown = editor.hover(name, instead("says", "sa§ys"))

    assert '🍵 <<<element_1>>> says "春が来た" to <<<element_2>>>, soft light' in shown
    assert '🍵 <<<element_1>>> says "Spring" to <<<element_2>>>, soft light' in shown
    assert "`@jp-16x9`" in shown
    assert "- `<<<element_1>>>` is `element.brand.hana`" in shown
    assert "- `<<<element_2>>>` is `12345678901234567`" in shown
    assert "video units" in shown


def test_hover_shows_prompts_beside_a_mistake(editor: Editor, name: str) -> None:
    """One wrong job does not blind the others."""
    shown = editor.hover(name, instead("beside", "bes§ide").replace("    duration: 5", "    duration: 99"))

    assert "<<<element_1>>> beside <<<element_2>>>, soft light" in shown


def test_hover_on_a_job_shows_its_price(editor: Editor, name: str) -> None:
    """At its own name, and wherever the name is used."""
    at_home = editor.hover(name, instead("  keyframe:", "  key§frame:"))
    elsewhere = editor.hover(name, instead("first_frame: image.keyframe", "first_frame: image.key§frame"))

    assert at_home == elsewhere
    assert "**image.keyframe**: omni-image, kling-v3-omni" in at_home
    assert "2 cells: `@16x9`, `@9x16`" in at_home
    assert "image units" in at_home


def test_hover_on_a_problem_shows_the_rules_source(editor: Editor, name: str) -> None:
    """Why it is a problem, and which page says so."""
    shown = editor.hover(name, instead("    duration: 5\n", "    duration: 9§9\n"))

    assert "kling-pipe explain" in shown
    assert "Source: " in shown


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (instead("mode: std", "mo§de: std"), "Takes `std`, `pro`, `4k`."),
        (instead("first_frame", "first§_frame"), "The picture that the film starts with"),
        (instead("include", "inc§lude"), "Other manifests"),
        (instead("{{ vars.look }}", "{{ vars.lo§ok }}"), "soft light"),
        (instead("{{ matrix.ratio }}", "{{ matrix.ra§tio }}"), "`16:9`, `9:16`"),
        (instead("kettle: 123", "ket§tle: 123"), "exists: `12345678901234567`"),
        (instead("brand: library", "bra§nd: library"), "`library.yaml`"),
    ],
)
def test_hover_tells_what_a_word_means(editor: Editor, name: str, text: str, wanted: str) -> None:
    """Fields, variables, axes, includes, and what exists."""
    assert wanted in editor.hover(name, text)


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "file", "line"),
    [
        (instead("first_frame: image.keyframe", "first_frame: image.key§frame"), "", 11),
        (instead("{{ vars.look }}", "{{ vars.lo§ok }}"), "", 3),
        (instead("vars.line[", "vars.li§ne["), "", 3),
        (instead("{{ matrix.ratio }}", "{{ matrix.ra§tio }}"), "", 12),
        (instead("{{ element.brand.hana }}", "{{ element.brand.ha§na }}"), "library.yaml", 3),
        (instead("{{ element.brand.hana }}", "{{ element.br§and.hana }}"), "library.yaml", 1),
        (instead("brand: library.yaml", "brand: libr§ary.yaml"), "library.yaml", 1),
    ],
)
def test_definitions_are_found(editor: Editor, name: str, text: str, file: str, line: int) -> None:
    """Of names, variables, axes and includes, in this file or another."""
    assert editor.definition(name, text) == (file or name, line)


@pytest.mark.parametrize(
    ("use", "line"),
    [("first_frame: image.key§frame", 11), ('prompt: "{{ vars.lo§ok', 3), ("continues: video.tea§ser", 16)],
)
def test_names_are_known_while_the_text_is_no_yaml(editor: Editor, name: str, use: str, line: int) -> None:
    """Definition and hover go by the last text that could be read."""
    editor.type(name, CAMPAIGN)
    editor.problems(name)
    broken = f"{CAMPAIGN}  broken: [\n  more:\n    {use}"

    assert editor.definition(name, broken) == (name, line)
    assert editor.hover(name, broken)


def test_uses_are_found_in_all_files(editor: Editor, name: str) -> None:
    """Also from the definition, and in documents that are not saved."""
    here = editor.at(name, instead("{{ element.brand.hana }}", "{{ element.brand.ha§na }}"))
    context = types.ReferenceContext(include_declaration=True)
    found = editor.ask(types.TEXT_DOCUMENT_REFERENCES, types.ReferenceParams(context=context, **here))

    assert [one.range.start.line for one in found if one.uri == editor.uri(name)] == [13, 20]
    assert [one.range.start.line for one in found if one.uri == editor.uri("library.yaml")] == [2]


def test_a_rename_reaches_every_file(editor: Editor, folder: Path) -> None:
    """From an included file into those that include it, open or not; and what comes out compiles to the same jobs."""
    (folder / "other.yaml").write_text(CAMPAIGN.replace("project: tea", "project: other"), encoding="utf-8")
    before = api.load(folder / "other.yaml").jobs
    changed = editor.renamed("library.yaml", LIBRARY.replace("  hana:", "  ha§na:"), "mika")
    editor.leave("library.yaml")

    assert "  mika:\n    element_name: Hana" in changed["library.yaml"]
    assert changed["other.yaml"].count("element.brand.mika") == 2
    assert "hana" not in changed["other.yaml"]
    (folder / "renamed").mkdir()
    for file, text in changed.items():
        (folder / "renamed" / file).write_text(text, encoding="utf-8")
    for picture in ("hana.png", "side.png"):
        (folder / "renamed" / picture).write_bytes((folder / picture).read_bytes())
    after_it = api.load(folder / "renamed" / "other.yaml").jobs
    assert [job.key for job in after_it] == [job.key for job in before]


@pytest.mark.parametrize(
    ("text", "new", "gone", "there"),
    [
        (instead("  keyframe:", "  key§frame:"), "opening", "keyframe", "first_frame: image.opening"),
        (instead("{ look:", "{ lo§ok:"), "mood", "look", "{{ vars.mood }}"),
        (instead("{ brand:", "{ bra§nd:"), "cast", "brand", "element.cast.hana"),
        (instead("  teaser:", "  tea§ser:"), "film", "teaser", "  film:"),
    ],
)  # fmt: skip
def test_a_rename_changes_every_use(editor: Editor, name: str, text: str, new: str, gone: str, there: str) -> None:
    """Of images, videos, variables and includes."""
    changed = editor.renamed(name, text, new)[name]

    assert there in changed
    assert gone not in changed


@pytest.mark.parametrize(
    ("text", "new", "why"),
    [
        (instead("  keyframe:", "  key§frame:"), "Key Frame", "cannot be a name"),
        (instead("  keyframe:", "  key§frame:"), "brand", "there is a `brand` already"),
        (instead("{ ratio: [16:9, 9:16]", "{ ra§tio: [16:9, 9:16]"), "shape", "joins jobs by its name"),
        (instead("{ jp:", "{ j§p:"), "ja", "inside of a variable"),
        (instead("project: tea", "project: t§ea"), "coffee", "no name of an element"),
    ],
)
def test_a_rename_that_would_break_something_is_refused(
    editor: Editor, name: str, text: str, new: str, why: str
) -> None:
    """With a sentence that says why."""
    with pytest.raises(JsonRpcException, match=why):
        editor.renamed(name, text, new)


def test_what_may_be_renamed_is_marked(editor: Editor, name: str) -> None:
    """The editor shows the very name, without its kind."""
    here = editor.at(name, instead("first_frame: image.keyframe", "first_frame: image.key§frame"))
    found = editor.ask(types.TEXT_DOCUMENT_PREPARE_RENAME, types.PrepareRenameParams(**here))

    assert (found.start.character, found.end.character) == (23, 31)


def test_a_misspelt_word_can_be_mended_by_a_click(editor: Editor, name: str) -> None:
    """The near match of the message, in place of what is marked."""
    editor.type(name, instead("first_frame: image.keyframe", "first_frame: image.keyfram"))
    found = editor.problems(name)
    document = types.TextDocumentIdentifier(editor.uri(name))
    context = types.CodeActionContext(diagnostics=found)
    params = types.CodeActionParams(document, found[0].range, context)
    (action,) = editor.ask(types.TEXT_DOCUMENT_CODE_ACTION, params)

    assert action.title == "Write `image.keyframe`"
    (edit,) = action.edit.changes[editor.uri(name)]
    assert (edit.new_text, edit.range) == ("image.keyframe", found[0].range)


# -- outline -------------------------------------------------------------------------------------------------------


def symbols(editor: Editor, name: str, text: str) -> dict[str, list[str]]:
    editor.type(name, text)
    document = types.TextDocumentIdentifier(editor.uri(name))
    found = editor.ask(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, types.DocumentSymbolParams(document))
    return {one.name: [f"{inner.name} {inner.detail or ''}".strip() for inner in one.children or ()] for one in found}


def test_the_outline_has_every_entry(editor: Editor, name: str) -> None:
    """By section, with what makes it and how many jobs it is."""
    found = symbols(editor, name, CAMPAIGN)

    assert found["images"] == ["keyframe omni-image, 2 jobs"]
    assert found["videos"] == ["teaser omni-video, 2 jobs"]
    assert found["vars"] == ["look", "line"]
    assert found["include"] == ["brand"]


def test_the_outline_stays_while_the_text_is_no_yaml(editor: Editor, name: str) -> None:
    """An unclosed bracket at the end takes nothing away above it."""
    symbols(editor, name, CAMPAIGN)
    found = symbols(editor, name, CAMPAIGN + "  broken: [\n")

    assert found["images"] == ["keyframe omni-image, 2 jobs"]
    assert [one.split()[0] for one in found["videos"]] == ["teaser", "broken"]


# -- manners -------------------------------------------------------------------------------------------------------


def test_a_question_may_be_taken_back(editor: Editor, name: str) -> None:
    """A cancelled request harms nothing: the next answer comes."""
    here = editor.at(name, instead("{{ vars.look }}", "{{ vars.lo§ok }}"))

    found = editor.ask_twice(types.TEXT_DOCUMENT_HOVER, types.HoverParams(**here))

    assert "soft light" in found.contents.value


def test_answers_are_about_the_last_text(editor: Editor, name: str) -> None:
    """Fifty quick changes and a question: the answer knows the last of them."""
    for number in range(50):
        editor.type(name, CAMPAIGN.replace("soft light", f"light {number}"))

    shown = editor.hover(name, instead("soft light", "light 50").replace("{{ vars.look }}", "{{ vars.lo§ok }}", 1))

    assert "light 50" in shown
    assert editor.problems(name) == []


def test_positions_are_counted_as_agreed(tmp_path: Path) -> None:
    """A client that counts bytes gets bytes."""
    editor = Editor(tmp_path, encodings=("utf-8", "utf-16"))
    try:
        editor.type("a.yaml", "project: x\nvars: {}\nimages:\n  a: { prompt: 🍵, mdoe: std }\n")
        at = [one.range.start.character for one in editor.problems("a.yaml") if "mdoe" in one.message]
    finally:
        code = editor.close()

    assert editor.capabilities.position_encoding == "utf-8"
    assert at == [len("  a: { prompt: 🍵, ".encode())]
    assert code == 0


def test_a_file_is_called_what_the_client_calls_it(tmp_path: Path) -> None:
    """Through a link too: problems and edits go to the document that is open, and to its neighbours there."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "library.yaml").write_text(LIBRARY, encoding="utf-8")
    (tmp_path / "link é").symlink_to(tmp_path / "real", target_is_directory=True)
    editor = Editor(tmp_path / "link é", as_spelt=True)
    try:
        editor.type("a.yaml", CAMPAIGN)
        problems = editor.problems("a.yaml")
        changed = editor.renamed("a.yaml", instead("{{ element.brand.hana }}", "{{ element.brand.ha§na }}"), "mika")
    finally:
        editor.close()

    assert problems == []
    assert changed.keys() == {"a.yaml", "library.yaml"}
    assert all("link" in uri for uri in editor.published)


def test_the_end_of_its_input_ends_it(tmp_path: Path) -> None:
    """An editor that is gone leaves no process behind."""
    words = [sys.executable, "-m", "kling_pipe", "lsp"]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))}
    done = subprocess.run(words, cwd=tmp_path, env=environ, input=b"", capture_output=True, timeout=20, check=False)

    assert (done.returncode, done.stdout) == (0, b"")


def test_the_sample_for_vs_code_starts_this_server() -> None:
    """Its default command is the verb, its setting is the one that the extension reads."""
    folder = ROOT / "examples" / "vscode"
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    settings = json.loads((folder / ".vscode" / "settings.json").read_text(encoding="utf-8"))
    script = (folder / "extension.js").read_text(encoding="utf-8")
    default = package["contributes"]["configuration"]["properties"]["kling-pipe.command"]["default"]

    assert default[0] in PROJECT["scripts"]
    assert default[1] in VERBS
    assert settings["kling-pipe.command"][1:] == default[1:]
    assert f'getConfiguration("{PROJECT["name"]}").get("command")' in script
    assert (folder / package["main"]).is_file()
