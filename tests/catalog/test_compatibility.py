"""What one job makes against what another takes, by every limit that a request can fix."""

import textwrap

import pytest
from snippets import folder_with_assets, problems_of

from kling_pipe.catalog import operations
from kling_pipe.catalog.compatibility import incompatibilities
from kling_pipe.catalog.output_facts import MediaFacts, made, narrowed

TOP = """\
project: contracts
defaults:
  videos: { model_name: kling-v3-omni, mode: std, duration: 5, aspect_ratio: 16:9 }
audios:
  effect: { api: text-to-audio, prompt: rain, duration: 3 }
  word: { text: Tea., voice_id: oversea_male1 }
"""


def found(text, tmp_path):
    """The messages of the misfits in a manifest, and where they stand."""
    _, problems = problems_of(TOP + textwrap.dedent(text), folder_with_assets(tmp_path))
    assert {one.id for one in problems if one.level == "error"} <= {"KP331"}, problems
    return [one for one in problems if one.id == "KP331"]


def portrait(**fields):
    said = "".join(f"            {name}: {value}\n" for name, value in fields.items())
    return f"""
        elements:
          hana:
            element_name: Hana
            element_description: Young tea farmer
            reference_type: video_refer
            element_video_list: {{ refer_videos: [{{ video_url: video.film }}] }}
        videos:
          film:
            prompt: she looks into the camera
{said}"""


@pytest.mark.parametrize(
    ("fields", "said", "allowed"),
    [
        ({"mode": "pro"}, "", ""),
        ({"mode": "pro", "aspect_ratio": "9:16", "duration": 8}, "", ""),
        ({"mode": "pro", "duration": 9}, "9 s long", "3 to 8 s"),
        ({"mode": "std"}, "720 px on the shorter side", "at least 1080 px"),
        ({"mode": "4k"}, "3840 px on the longer side", "at most 1920 px"),
        ({"mode": "pro", "aspect_ratio": "1:1"}, "1:1", "16:9 or 9:16"),
    ],
)
def test_the_film_of_an_element_fits_or_is_told(fields, said, allowed, tmp_path):
    """3 to 8 s, 1080p, wide or tall."""
    problems = found(portrait(**fields), tmp_path)
    assert [(one.found, one.allowed) for one in problems] == ([(said, allowed)] if said else [])


def test_both_jobs_and_both_places_are_named(tmp_path):
    """The problem stands where the film is used, and names the job that makes it with its place."""
    (problem,) = found(portrait(mode="pro", duration=9), tmp_path)
    lines = (tmp_path / "kling-pipe.yaml").read_text(encoding="utf-8").splitlines()
    assert problem.address == "element.hana"
    assert "video.film" in lines[problem.position.line - 1]
    assert "`video.film`" in problem.message
    place = f"kling-pipe.yaml:{lines.index('  film:') + 1}:"
    assert place in problem.message


@pytest.mark.parametrize(
    ("model", "seconds", "fits"),
    [("kling-v3-omni", 15, True), ("kling-video-o1", 10, True), ("kling-video-o1", 12, False)],
)
def test_a_reference_film_is_held_against_the_model_that_takes_it(model, seconds, fits, tmp_path):
    """kling-v3-omni takes 15 s, kling-video-o1 10 s."""
    text = f"""
        videos:
          film: {{ prompt: waves, duration: {seconds} }}
          after: {{ model_name: {model}, prompt: more waves, continues: video.film, aspect_ratio: 16:9 }}
    """
    assert [one.found for one in found(text, tmp_path)] == ([] if fits else ["12 s long"])


def test_an_edited_film_is_as_long_as_what_goes_in(tmp_path):
    """Length and shape go through the edit to whoever uses its result."""
    text = """
        videos:
          film: { prompt: waves, duration: 15 }
          redder: { prompt: the sky is red, edits: video.film }
          dance:
            api: motion-control
            image_url: assets/hana_front.png
            model_name: kling-v3
            video_url: video.redder
            character_orientation: image
            mode: std
    """
    (problem,) = found(text, tmp_path)
    assert (problem.found, problem.allowed) == ("15 s long", "3 to 10 s")


def extended(links, model="kling-v1-6"):
    chain = "".join(
        f"          more{n}: {{ api: video-extend, extends: video.{f'more{n - 1}' if n else 'film'}, prompt: on }}\n"
        for n in range(links)
    )
    return f"""
        videos:
          film: {{ api: text2video, model_name: {model}, mode: std, duration: 5, prompt: a river, aspect_ratio: 16:9 }}
{chain}"""


@pytest.mark.parametrize(("links", "told"), [(35, []), (36, [("video.more35", "180 s long")])])
def test_extensions_add_up_to_three_minutes(links, told, tmp_path):
    """5 s and 35 extensions are 180 s; one more is too many, and only that one is told."""
    assert [(one.address, one.found) for one in found(extended(links), tmp_path)] == told


def test_an_extension_wants_a_model_that_can_be_extended(tmp_path):
    """The model goes through the chain: each extension of a film of a newer model is refused."""
    problems = found(extended(2, model="kling-v2-6"), tmp_path)
    assert [one.found for one in problems] == ["of kling-v2-6", "of kling-v2-6"]


def test_lip_sync_and_sounds(tmp_path):
    """A sound of 3 s is enough for an avatar; a film of 65 s is too long for lip sync."""
    text = """
        videos:
          greeting: { api: avatar, image: assets/hana_front.png, audio_id: audio.effect, mode: std }
          speaks:
            api: advanced-lip-sync
            video_id: video.more11
            face_choose:
              - { face: 0, audio_id: audio.effect, sound_start_time: 0, sound_end_time: 2500, sound_insert_time: 0 }
    """
    (problem,) = found(
        textwrap.dedent(extended(12)) + textwrap.dedent(text).replace("videos:\n", "", 1).lstrip("\n"), tmp_path
    )
    assert (problem.address, problem.found, problem.allowed) == ("video.speaks", "65 s long", "2 to 60 s")


def test_what_nobody_knows_is_not_guessed_at(tmp_path):
    """How long a text takes to speak is Kling's to say, and a URL may be anything."""
    text = """
        videos:
          elsewhere: https://example.com/film.mp4
          greeting: { api: avatar, image: assets/hana_front.png, audio_id: audio.word, mode: std }
          after: { prompt: more, continues: video.elsewhere, aspect_ratio: 16:9 }
    """
    assert found(text, tmp_path) == []
    operation = operations.load_operation("tts")
    assert made(operation, {"text": "Tea."}, lambda _: None).seconds is None
    assert made(
        operation, {"text": "Good morning, hills of tea."}, lambda _: None, guess=True
    ).seconds == pytest.approx(1.89)


def test_cells_of_a_matrix_share_one_problem(tmp_path):
    """The same mistake in every cell is told once."""
    text = """
        videos:
          film: { matrix: { look: [red, blue] }, prompt: "{{ matrix.look }} waves", duration: 12 }
          after:
            matrix: { look: [red, blue] }
            model_name: kling-video-o1
            prompt: more
            continues: video.film
            aspect_ratio: 16:9
    """
    (problem,) = found(text, tmp_path)
    assert "(and so in 1 more)" in problem.message


def test_no_jobs_have_no_misfits():
    assert incompatibilities([]) == []


def test_limits_are_those_of_the_model_and_the_case():
    limits = operations.table("media")["limits"]
    assert narrowed(limits["reference_video"], {}, "kling-video-o1")["max_seconds"] == 10
    assert narrowed(limits["motion_video"], {"character_orientation": "image"})["max_seconds"] == 10
    assert narrowed(limits["motion_video"], {"character_orientation": "video"})["max_seconds"] == 30


@pytest.mark.parametrize("name", operations.names())
def test_facts_of_a_result_are_read_from_every_operation(name):
    """The example of each page gives facts of the right types, whatever goes in."""
    operation = operations.load_operation(name)
    given = MediaFacts(seconds=7.0, short_side=720, ratio=1.0, fps=24, sound=True, model="kling-v1-6")
    facts = made(operation, operation.schema["examples"][0], lambda _: given, guess=True)
    if operation.kling["result"].get("media") in ("video", "audio") and "makes" in operation.kling:
        assert facts.seconds is not None
        assert facts.seconds > 0
    assert facts.ratio is None or 0.3 < facts.ratio < 3
    assert facts.sound in (None, True, False)


def test_an_expanded_picture_is_known_by_the_picture_that_goes_in() -> None:
    """400 x 300 with half of it above and a quarter at each side: 600 x 450."""
    request = {
        f"{side}_expansion_ratio": share
        for side, share in zip(("up", "down", "left", "right"), (0.5, 0, 0.25, 0.25), strict=True)
    }
    facts = made(
        operations.load_operation("expand-image"),
        {"image": "a", **request},
        lambda _: MediaFacts(short_side=300, ratio=4 / 3),
    )
    assert facts.sides == pytest.approx((450, 600))
    assert facts.ratio == pytest.approx(4 / 3)
    assert made(operations.load_operation("expand-image"), {"image": "a", **request}, lambda _: None) == MediaFacts()
