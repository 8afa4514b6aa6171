"""The manifest language: what a recipe turns into."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kling_pipe.core.keys import ExistingId
from kling_pipe.errors import ManifestInvalid
from kling_pipe.manifest import Manifest, compile_manifest
from kling_pipe.model import FileRef, Job, OutputRef
from kling_pipe.report.requests import request_form

HEAD = "version: 1\nproject: p\n"
DEFAULTS = """
defaults:
  images: { model_name: kling-v3-omni }
  videos: { model_name: kling-v3-omni, sound: off, aspect_ratio: 16:9 }
"""
Compile = Callable[..., Manifest]


@pytest.fixture(name="compile")
def _compile(tmp_path: Path) -> Compile:
    """Compile a text in a folder with three pictures; `files` are texts beside it."""
    for number, name in enumerate(("a", "b", "c")):
        Image.new("RGB", (400, 400), (80 * number, 0, 0)).save(tmp_path / f"{name}.png")

    def compiled(text: str, *, files: dict[str, str] | None = None, head: str = HEAD, **how: Any) -> Manifest:
        for name, content in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content, encoding="utf-8")
        (tmp_path / "kling-pipe.yaml").write_text(head + text, encoding="utf-8")
        return compile_manifest(tmp_path / "kling-pipe.yaml", **how)

    return compiled


def job(manifest: Manifest, address: str) -> Job:
    """The job at an address."""
    return next(one for one in manifest.jobs if one.address == address)


def body(manifest: Manifest, address: str) -> Any:
    """Its request, leaves shown as `render` shows them."""
    return request_form(job(manifest, address).request, manifest.root)


def refused(compile: Compile, text: str, **how: Any) -> list[str]:
    """The ids of what is wrong."""
    with pytest.raises(ManifestInvalid) as caught:
        compile(text, **how)
    return [problem.id for problem in caught.value.problems if problem.level == "error"]


# -- references and numbers ------------------------------------------------------------------------------------------

REFERENCES = (
    DEFAULTS
    + """
elements: { hana: 829836802793406551, kettle: 829836802793406552 }
images:
  a: a.png
  b: b.png
  url: https://example.com/x.png
  sheet: { prompt: A sheet, n: 3, takes: 2, pick: 2 }
  frame: { matrix: { ratio: [16:9, 9:16] }, aspect_ratio: "{{ matrix.ratio }}", prompt: A frame }
videos:
"""
)


def test_numbers_follow_frames_then_references_then_first_mention(compile: Compile) -> None:
    """A name has one number, whichever way it came in; the number is its place in the list."""
    manifest = compile(
        REFERENCES
        + """
  film:
    first_frame: image.b
    references: [image.url, element.kettle]
    prompt: "{{ image.a }} {{ element.hana }} {{ image.b }} {{ element.kettle }} {{ image.url }} {{ image.a }}"
"""
    )
    found = body(manifest, "video.film")
    assert found["prompt"] == "<<<image_3>>> <<<element_2>>> <<<image_1>>> <<<element_1>>> <<<image_2>>> <<<image_3>>>"
    assert [item["image_url"] for item in found["image_list"]][1] == "https://example.com/x.png"
    assert found["image_list"][0]["type"] == "first_frame"
    assert [item["element_id"] for item in found["element_list"]] == [829836802793406552, 829836802793406551]


def test_shots_number_in_the_order_of_the_shots(compile: Compile) -> None:
    """First mention over all shots; `duration` is their sum and `multi_shot` is set."""
    manifest = compile(
        REFERENCES
        + """
  film:
    shots:
      - { duration: 2, prompt: "{{ image.b }}" }
      - { duration: 3, prompt: "{{ image.a }} {{ image.b }}" }
"""
    )
    found = body(manifest, "video.film")
    assert found["multi_prompt"] == [
        {"index": 1, "prompt": "<<<image_1>>>", "duration": "2"},
        {"index": 2, "prompt": "<<<image_2>>> <<<image_1>>>", "duration": "3"},
    ]
    assert (found["multi_shot"], found["shot_type"], found["duration"]) == (True, "customize", "5")


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("image.frame['16:9']", "image.frame@16x9"),
        ('image.frame["9:16"]', "image.frame@9x16"),
        ("image.frame@9x16", "image.frame@9x16"),
        ("image.sheet", "image.sheet#2"),
        ("image.sheet#1", "image.sheet"),
        ("image.sheet:3", "image.sheet#2:3"),
        ("image.sheet#1:2", "image.sheet:2"),
        ("{{ image.frame['16:9'] }}", "image.frame@16x9"),
        ("{{ image.sheet.output(3) }}", "image.sheet#2:3"),
        ("{{ image.sheet.take(1) }}", "image.sheet"),
        ("{{ image.sheet.take(1).output(2) }}", "image.sheet:2"),
        ("{{ image['sheet'] }}", "image.sheet#2"),
        ("{{ vars.name }}", "image.sheet#2"),
        ("{{ image.frame['9' ~ ':16'] }}", "image.frame@9x16"),
        ("{{ image.sheet if vars.name else image.frame }}", "image.sheet#2"),
    ],
)
def test_a_reference_names_cell_take_and_output(compile: Compile, written: str, address: str) -> None:
    """As text and as a template; the take is the `pick` unless it is named."""
    quoted = written.replace("'", "''")
    manifest = compile(
        f"vars: {{ name: image.sheet }}\n{REFERENCES}  film: {{ first_frame: '{quoted}', prompt: Steam }}\n"
    )
    assert body(manifest, "video.film")["image_list"] == [{"image_url": {"$ref": address}, "type": "first_frame"}]
    assert job(manifest, "video.film").needs == (address.partition(":")[0],)


def test_the_same_picture_by_two_names_is_one_input(compile: Compile, tmp_path: Path) -> None:
    """Content decides, not the path: two names of equal files share a number."""
    Image.new("RGB", (400, 400), (0, 0, 0)).save(tmp_path / "copy.png")  # the bytes of a.png
    manifest = compile(
        DEFAULTS
        + """
images: { one: a.png, two: copy.png }
videos: { film: { prompt: "{{ image.one }} and {{ image.two }}" } }
"""
    )
    assert body(manifest, "video.film")["prompt"] == "<<<image_1>>> and <<<image_1>>>"


def test_lists_may_come_from_vars(compile: Compile) -> None:
    """A lone template hands over a whole list of names, shots or axes."""
    manifest = compile(
        """
vars:
  refs: [image.b, element.hana, a.png]
  ratios: [16:9, 9:16]
  shots: [{ duration: 2, prompt: One }, { duration: 3, prompt: Two }]
"""
        + REFERENCES
        + """
  film:
    matrix: { ratio: "{{ vars.ratios }}" }
    aspect_ratio: "{{ matrix.ratio }}"
    references: "{{ vars.refs }}"
    shots: "{{ vars.shots }}"
"""
    )
    found = body(manifest, "video.film@9x16")
    assert [item["image_url"]["$file"] for item in found["image_list"]] == ["b.png", "a.png"]
    assert [shot["prompt"] for shot in found["multi_prompt"]] == ["One", "Two"]
    assert found["duration"] == "5"


def test_values_of_vars_are_not_filled_in_again(compile: Compile) -> None:
    """A template in a value is a mistake, also inside a list that a template hands over."""
    assert refused(
        compile,
        "vars: { shots: [{ duration: 3, prompt: '{{ image.a }}' }] }"
        + REFERENCES
        + "  film: { shots: '{{ vars.shots }}' }",
    ) == ["KP207"]


def test_what_a_prompt_may_print(compile: Compile) -> None:
    """Numbers, booleans and `job`, `take`, `matrix`; `job.address` has no take, so that takes share a request."""
    manifest = compile(
        "vars: { n: 3, yes: true }"
        + DEFAULTS
        + """
videos:
  film:
    matrix: { m: [jp, us] }
    takes: 2
    prompt: >-
      {{ vars.n }} {{ vars.yes }} {{ matrix.m }} {{ job.address }} {{ job.name }} {{ job.kind }} {{ job.project }}
  other: { takes: 2, prompt: "take {{ take }}" }
"""
    )
    assert body(manifest, "video.film@jp#2")["prompt"] == "3 true jp video.film@jp film video p"
    assert job(manifest, "video.film@jp").key == job(manifest, "video.film@jp#2").key
    assert [body(manifest, f"video.other{take}")["prompt"] for take in ("", "#2")] == ["take 1", "take 2"]


# -- sugar ------------------------------------------------------------------------------------------------------------


def test_continues_and_edits(compile: Compile) -> None:
    """`feature` and `base`; the original sound is always said; `edits` drops default ratio and length."""
    manifest = compile(
        DEFAULTS.replace("16:9", "16:9, duration: 5")
        + """
videos:
  a: { prompt: A cup }
  b: { continues: video.a, prompt: "After {{ video.a }}" }
  c: { edits: video.a, prompt: "{{ video.a }} in blue" }
  d: { continues: { video: video.a, keep_original_sound: yes }, prompt: "After {{ video.a }}" }
  e: { video_list: [{ video_url: video.a }], prompt: "{{ video.a }} in red" }
"""
    )
    assert body(manifest, "video.b")["video_list"] == [
        {"video_url": {"$ref": "video.a"}, "refer_type": "feature", "keep_original_sound": "no"}
    ]
    assert body(manifest, "video.b")["duration"] == "5"
    assert body(manifest, "video.c")["video_list"][0]["refer_type"] == "base"
    assert body(manifest, "video.c").keys() & {"duration", "aspect_ratio"} == set()
    assert body(manifest, "video.d")["video_list"][0]["keep_original_sound"] == "yes"
    assert (
        body(manifest, "video.e").keys() & {"duration", "aspect_ratio"} == set()
    )  # Kling reads an edit where nothing is said
    assert body(manifest, "video.b")["prompt"] == "After <<<video_1>>>"


def test_a_first_frame_drops_the_default_ratio_only(compile: Compile) -> None:
    """However it is written; what the recipe writes itself stays and is judged by the rules."""
    manifest = compile(
        DEFAULTS
        + """
images: { a: a.png }
videos:
  by_word: { first_frame: image.a, prompt: A cup }
  by_hand: { image_list: [{ image_url: image.a, type: first_frame }], prompt: A cup }
  reference: { image_list: [{ image_url: image.a }], prompt: "{{ image.a }}" }
  own: { first_frame: image.a, aspect_ratio: 9:16, prompt: A cup }
"""
    )
    assert "aspect_ratio" not in body(manifest, "video.by_word")
    assert "aspect_ratio" not in body(manifest, "video.by_hand")
    assert body(manifest, "video.reference")["aspect_ratio"] == "16:9"
    assert body(manifest, "video.own")["aspect_ratio"] == "9:16"


def test_elements_from_pictures(compile: Compile) -> None:
    """`frontal`, `views` and names for tags; a template may give all views."""
    manifest = compile("""
vars: { views: [b.png, c.png] }
elements:
  hana:
    element_name: Hana
    element_description: Young tea farmer
    reference_type: image_refer
    frontal: a.png
    views: "{{ vars.views }}"
    tag_list: [character, o_108, "{{ 'item' }}"]
""")
    found = body(manifest, "element.hana")
    assert found["element_image_list"]["frontal_image"]["$file"] == "a.png"
    assert [item["image_url"]["$file"] for item in found["element_image_list"]["refer_images"]] == ["b.png", "c.png"]
    assert found["tag_list"] == [{"tag_id": "o_102"}, {"tag_id": "o_108"}, {"tag_id": "o_104"}]
    assert job(manifest, "element.hana").place == ""


def test_raw_is_the_way_down(compile: Compile) -> None:
    """Unknown fields go through untouched, over known ones; a lone reference is resolved; nothing complains."""
    manifest = compile(
        REFERENCES
        + """
  film:
    prompt: A cup
    raw: { new_field: { mask: "{{ image.a }}", list: ["x {{ take }}", 5, 1.50, true] }, mode: "4k", text: image.a }
"""
    )
    found = body(manifest, "video.film")
    assert found["new_field"]["mask"]["$file"] == "a.png"
    assert found["new_field"]["list"] == ["x 1", 5, 1.5, True]
    assert (found["mode"], found["text"]) == ("4k", "image.a")
    assert manifest.problems == ()


def test_hand_written_tokens_are_checked_and_noted(compile: Compile) -> None:
    """Numbers by hand work, and a note says that names are safer."""
    manifest = compile(REFERENCES + "  film: { references: [image.a], prompt: 'the mark <<<image_1>>>' }")
    assert body(manifest, "video.film")["prompt"] == "the mark <<<image_1>>>"
    assert [(problem.id, problem.level) for problem in manifest.problems] == [("KP320", "note")]


def test_numbers_become_what_the_field_wants(compile: Compile) -> None:
    """In one place, without loss; `on` and `16:9` are text already; ids keep 18 digits."""
    manifest = compile(
        DEFAULTS
        + """
videos:
  a: { duration: 5, prompt: A cup }
  b: { duration: 5.0, prompt: A cup }
  c: { duration: "5", prompt: A cup }
  d: { element_list: [{ element_id: 829836802793406551 }], prompt: "<<<element_1>>>" }
  e: { element_list: [{ element_id: "829836802793406551" }], prompt: "<<<element_1>>>" }
"""
    )
    assert {body(manifest, f"video.{name}")["duration"] for name in "abc"} == {"5"}
    assert len({job(manifest, f"video.{name}").key for name in "abc"}) == 1
    assert job(manifest, "video.d").request["element_list"] == [{"element_id": ExistingId(829836802793406551)}]
    assert job(manifest, "video.d").key == job(manifest, "video.e").key


# -- layers -----------------------------------------------------------------------------------------------------------


def test_the_nearest_wins(compile: Compile) -> None:
    """Recipe over profile over defaults, field by field; null takes a default away."""
    text = """
defaults: { videos: { model_name: kling-v3-omni, mode: pro, sound: on, aspect_ratio: 16:9, tags: [all] } }
profiles: { draft: { videos: { mode: std, sound: off } } }
videos:
  a: { prompt: A cup }
  b: { prompt: A cup, mode: 4k, sound: }
"""

    def fields(manifest: Manifest, name: str) -> tuple[Any, Any]:
        found = body(manifest, f"video.{name}")
        return found.get("mode"), found.get("sound")

    assert fields(compile(text), "a") == ("pro", "on")
    assert fields(compile(text, profile="draft"), "a") == ("std", "off")
    assert fields(compile(text, profile="draft"), "b") == ("4k", None)
    assert job(compile(text), "video.a").tags == ("all",)
    assert compile(text, profile="draft").profile == "draft"


def test_defaults_apply_to_jobs_of_their_operation(compile: Compile) -> None:
    """A recipe of another `api` takes none of them; a profile may change the `api` itself."""
    text = """
defaults: { videos: { api: text2video, model_name: kling-v3, duration: 5 } }
profiles: { omni: { videos: { api: omni-video, model_name: kling-v3-omni, aspect_ratio: 16:9 } } }
videos:
  a: { prompt: A cup }
  b: { api: omni-video, model_name: kling-v3-omni, aspect_ratio: 1:1, prompt: A cup }
"""
    assert (job(compile(text), "video.a").operation, body(compile(text), "video.a")["duration"]) == ("text2video", "5")
    assert "duration" not in body(compile(text), "video.b")
    assert job(compile(text, profile="omni"), "video.a").operation == "omni-video"
    assert body(compile(text, profile="omni"), "video.a") == {
        "model_name": "kling-v3-omni",
        "aspect_ratio": "16:9",
        "prompt": "A cup",
    }


def test_vars_are_overridden(compile: Compile) -> None:
    """By `--var`; a name that the manifest has not is refused."""
    text = "vars: { look: soft }" + DEFAULTS + "videos: { a: { prompt: 'A {{ vars.look }} cup' } }"
    assert body(compile(text, overrides={"look": "hard"}), "video.a")["prompt"] == "A hard cup"
    assert refused(compile, text, overrides={"lok": "hard"}) == ["KP301"]
    assert refused(compile, text, profile="draft") == ["KP301"]


def test_anchors_and_own_keys(compile: Compile) -> None:
    """`x-` keys hold what is reused; merges work as people expect."""
    manifest = compile("""
x-common: &common { model_name: kling-v3-omni, aspect_ratio: 1:1, prompt: A cup }
videos: { a: { <<: *common }, b: { <<: *common, prompt: A pot } }
""")
    assert [body(manifest, f"video.{name}")["prompt"] for name in "ab"] == ["A cup", "A pot"]


# -- tool words -------------------------------------------------------------------------------------------------------


def test_takes_pick_retries_tags_needs(compile: Compile) -> None:
    """Words beside the API's fields: in jobs, never in keys; they may come from `vars`."""
    manifest = compile(
        "vars: { n: 3, t: [one, two] }\nretries: 2"
        + DEFAULTS
        + """
images:
  a: { prompt: A cup, takes: "{{ vars.n }}", pick: 2, retries: 0 }
  b: { prompt: A pot, tags: "{{ vars.t }}", needs: [image.a, image.c] }
  c: { matrix: { m: [x, y] }, prompt: "{{ matrix.m }}", tags: [cell, "is-{{ matrix.m }}"] }
  d: { matrix: { m: [x, z] }, prompt: "{{ matrix.m }}!", needs: image.a#3 }
  e: { matrix: { m: [x] }, prompt: "{{ matrix.m }}?", needs: image.c }
"""
    )
    assert [one.address for one in manifest.jobs if one.name == "a"] == ["image.a", "image.a#2", "image.a#3"]
    assert {one.takes for one in manifest.jobs if one.name == "a"} == {3}
    assert (job(manifest, "image.a").retries, job(manifest, "image.b").retries) == (0, 2)
    assert job(manifest, "image.b").needs == ("image.a", "image.a#2", "image.a#3", "image.c@x", "image.c@y")
    assert job(manifest, "image.b").tags == ("one", "two")
    assert job(manifest, "image.c@y").tags == ("cell", "is-y")
    assert job(manifest, "image.d@z").needs == ("image.a#3",)
    assert job(manifest, "image.e@x").needs == ("image.c@x",)


def test_places(compile: Compile) -> None:
    """Default places carry cell and take; `save_as` gets the take where it does not name it."""
    manifest = compile(
        DEFAULTS
        + """
videos:
  a: { matrix: { r: [16:9, 春] }, prompt: "{{ matrix.r }}", takes: 2 }
  b: { prompt: A, takes: 2, save_as: "films//./b.mp4" }
  c: { prompt: B, takes: 2, save_as: "films/c-{{ take }}" }
"""
    )
    places = {one.address: one.place for one in manifest.jobs}
    assert places == {
        "video.a@16x9": "video/a@16x9",
        "video.a@16x9#2": "video/a@16x9.t2",
        "video.a@春": "video/a@春",
        "video.a@春#2": "video/a@春.t2",
        "video.b": "films/b.mp4",
        "video.b#2": "films/b.t2.mp4",
        "video.c": "films/c-1",
        "video.c#2": "films/c-2",
    }


def test_frozen_keeps_the_key_of_the_lock(compile: Compile) -> None:
    """And so do the keys below it, whatever changes upstream."""
    text = (
        DEFAULTS
        + """
images: { a: { prompt: PROMPT, frozen: FROZEN } }
videos: { film: { first_frame: image.a, prompt: Steam } }
"""
    )
    before = compile(text.replace("PROMPT", "A cup").replace("FROZEN", "false"))
    key = job(before, "image.a").key
    after = compile(text.replace("PROMPT", "A pot").replace("FROZEN", "true"), recorded={"image.a": key}.get)
    thawed = compile(text.replace("PROMPT", "A pot").replace("FROZEN", "false"))
    assert job(after, "image.a").frozen
    assert [one.key for one in after.jobs] == [one.key for one in before.jobs]
    assert not {one.key for one in thawed.jobs} & {one.key for one in before.jobs}


def test_budget_and_limits_are_handed_on(compile: Compile) -> None:
    """As written."""
    manifest = compile("budget: { usd: 20, per_job: { video: 3 } }\nlimits: { video: 5, video/kling-v3-omni: 2 }")
    assert manifest.budget == {"usd": 20, "per_job": {"video": 3}}
    assert manifest.limits == {"video": 5, "video/kling-v3-omni": 2}


# -- include ----------------------------------------------------------------------------------------------------------

BRAND = """version: 1
project: brand
vars: { look: branded }
defaults: { images: { model_name: kling-v3-omni, resolution: 1k } }
include: { base: base.yaml }
images:
  logo: c.png
  used: { prompt: "A {{ vars.look }} cup by {{ image.base.root }}", matrix: { r: [16:9, 1:1] } }
  unused: { prompt: Nobody asks for this }
"""
BASE = """version: 1
project: base
images:
  root: { model_name: kling-v3-omni, prompt: Root }
  idle: { model_name: kling-v3-omni, prompt: Idle }
"""


def test_only_what_is_used_of_an_include_is_made(compile: Compile, tmp_path: Path) -> None:
    """With its own vars, defaults, project and paths, through includes of includes; unused jobs are not."""
    Image.new("RGB", (400, 400)).save(tmp_path / "c.png")
    (tmp_path / "lib").mkdir()
    Image.new("RGB", (500, 500)).save(tmp_path / "lib" / "c.png")
    manifest = compile(
        "vars: { look: mine }\ninclude: { brand: lib/brand.yaml }"
        + DEFAULTS
        + """
videos:
  film:
    first_frame: "image.brand.used['1:1']"
    prompt: "{{ vars.look }} and {{ image.brand.logo }} and {{ image.brand.used['1:1'] }}"
""",
        files={"lib/brand.yaml": BRAND, "lib/base.yaml": BASE},
    )
    assert {one.address: one.project for one in manifest.jobs} == {
        "image.brand.base.root": "base",
        "image.brand.used@1x1": "brand",
        "video.film": "p",
    }
    assert body(manifest, "image.brand.used@1x1")["prompt"] == "A branded cup by <<<image_1>>>"
    assert body(manifest, "image.brand.used@1x1")["resolution"] == "1k"
    assert body(manifest, "video.film")["prompt"] == "mine and <<<image_2>>> and <<<image_1>>>"
    assert body(manifest, "video.film")["image_list"][1]["image_url"]["$file"] == "lib/c.png"
    alone = compile_manifest(tmp_path / "lib" / "brand.yaml")
    assert job(alone, "image.used@1x1").key == job(manifest, "image.brand.used@1x1").key


def test_problems_of_an_include_stand_in_its_file(compile: Compile) -> None:
    """With the include's own name and line."""
    with pytest.raises(ManifestInvalid) as caught:
        compile(
            "include: { brand: lib/brand.yaml }",
            files={"lib/brand.yaml": BRAND.replace("A {{ vars.look }}", "A {{ vars.lok }}"), "lib/base.yaml": BASE},
        )
    assert caught.value.problems[0].position is not None
    assert caught.value.problems[0].position.file.endswith("lib/brand.yaml") or caught.value.problems[0].id == "KP303"


# -- order ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
def test_jobs_stand_after_what_they_need(compile: Compile, order: tuple[str, ...]) -> None:
    """However the file is ordered."""
    lines = {
        "a": "  a: { prompt: A cup }",
        "b": "  b: { continues: video.a, prompt: 'After {{ video.a }}' }",
        "c": "  c: { continues: video.b, prompt: 'After {{ video.b }}' }",
    }
    manifest = compile(DEFAULTS + "videos:\n" + "\n".join(lines[name] for name in order))
    assert [one.name for one in manifest.jobs] == ["a", "b", "c"]


def test_leaves_are_values(compile: Compile) -> None:
    """Outputs and files stand in a request as references, resolved when it runs."""
    manifest = compile(
        REFERENCES + "  film: { first_frame: image.sheet, references: [image.a], prompt: '{{ image.a }}' }"
    )
    urls = [item["image_url"] for item in job(manifest, "video.film").request["image_list"]]
    assert urls[0] == OutputRef("image.sheet#2", "image", 2, 1)
    assert isinstance(urls[1], FileRef)
    assert Path(urls[1].path).is_absolute()
