"""Files and links that go into requests: looked at once, held against their fields, and known to plans and prices."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from media_files import Files, film, header_first, serving, sound
from PIL import Image
from program import call

from kling_pipe.api import load, open_workspace, plan
from kling_pipe.errors import ManifestInvalid
from kling_pipe.manifest import Manifest, compile_manifest
from kling_pipe.manifest.file_inspection import inspector, read_links
from kling_pipe.media import Facts, look_at_file
from kling_pipe.media.facts_cache import FactsCache
from kling_pipe.model import Problem

FILM = header_first(film(6, (1280, 720)))
HEAD = """\
project: inputs
defaults:
  videos: { model_name: kling-v3-omni, mode: std }
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Files]:
    with serving() as files:
        yield files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (640, 360), "teal").save(tmp_path / "hana.png")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "kling-pipe.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def problems_of(path: Path, *, links: bool = False) -> list[Problem]:
    try:
        return list(load(path, links=read_links if links else None).problems)
    except ManifestInvalid as error:
        return list(error.problems)


def line_of(problem: Problem, path: Path) -> str:
    assert problem.position
    return path.read_text(encoding="utf-8").splitlines()[problem.position.line - 1]


def speaking(name: str, api: str = "avatar") -> str:
    field = "image: hana.png, sound_file" if api == "avatar" else "video_id: 123456789012345678, face_choose"
    return f"videos:\n  speaks: {{ api: {api}, {field}: {name} }}\n"


@pytest.mark.parametrize(("name", "content", "level", "words", "found", "allowed"), [
    ("short.wav", sound(1), "error", "too short", "1 s", "2 to 300 s"),
    ("fine.wav", sound(3), "", "", "", ""),
    ("fine.m4a", sound(3, "ipod"), "", "", "", ""),
    ("fine.aac", sound(3, "adts"), "", "", "", ""),
    ("named.mp3", sound(3), "warn", "a wav in truth", "wav", ""),
    ("other.wav", sound(3, "ogg"), "error", "format is not accepted", "ogg", "mp3, wav, m4a, aac"),
    ("none.wav", b"", "error", "is empty", "0 bytes", "mp3, wav, m4a, aac"),
    ("text.mp3", b"hello, world", "error", "not a sound", ".mp3", "mp3, wav, m4a, aac"),
    ("cut.m4a", sound(3, "ipod")[:60], "error", "damaged", "unknown bytes", "mp3, wav, m4a, aac"),
    ("film.m4a", FILM, "error", "holds no sound", "mp4", "mp3, wav, m4a, aac"),
    ("heavy.wav", sound(299.0), "", "", "", ""),
    ("heavier.wav", sound(320), "error", "too large", "5.1 MB", "up to 5 MB"),
])  # fmt: skip
def test_a_sound_is_looked_into(
    folder: Path, name: str, content: bytes, level: str, words: str, found: str, allowed: str
) -> None:
    """Its length, its real format, whether there is a sound in it at all."""
    (folder / name).write_bytes(content)
    path = written(folder, speaking(name))
    problems = [one for one in problems_of(path) if not (words != "too short" and "too long" in one.message)]
    assert [(one.id, one.level, one.found, one.allowed) for one in problems] == (
        [("KP330", level, found, allowed)] if level else []
    )
    for one in problems:
        assert words in one.message
        assert name in line_of(one, path)
        assert one.hint


def test_a_huge_file_is_refused_by_its_size_alone(folder: Path) -> None:
    """Neither hashed nor opened: a terabyte would take hours."""
    with (folder / "huge.wav").open("wb") as file:
        file.truncate(1 << 40)
    (problem,) = problems_of(written(folder, speaking("huge.wav")))
    assert problem.id == "KP330"
    assert "too large" in problem.message
    assert problem.allowed == "up to 5 MB"


def test_length_is_judged_where_a_sound_is_used(folder: Path) -> None:
    """100 s are fine for an avatar and too long for lips; the sound may have a name of its own."""
    (folder / "long.wav").write_bytes(sound(100))
    path = written(
        folder,
        """audios:
  long: long.wav
videos:
  speaks: { api: avatar, image: hana.png, sound_file: audio.long }
  lips: { api: lip-sync, input: { video_url: "https://example.com/a.mp4", mode: audio2video, audio_type: file,
    audio_file: audio.long } }
""",
    )
    (problem,) = [one for one in problems_of(path) if one.level == "error"]
    assert (problem.address, problem.found, problem.allowed) == ("video.lips", "100 s", "2 to 60 s")
    assert "audio_file" in line_of(problem, path)


def test_a_thousand_jobs_with_one_file_look_at_it_once(folder: Path) -> None:
    """And a second run does not at all, until its bytes change."""
    (folder / "line.wav").write_bytes(sound(1))
    cells = "".join(f"word{number}, " for number in range(1000))
    path = written(
        folder,
        f"videos:\n  speaks: {{ api: avatar, matrix: {{ w: [{cells}] }}, prompt: '{{{{ matrix.w }}}}', "
        "image: hana.png, sound_file: line.wav }\n",
    )
    opened: list[str] = []

    def look(file: Path, kind: str) -> Facts:
        opened.append(file.name)
        return look_at_file(file, kind)

    for _ in range(2):
        with inspector(folder, look) as seen:
            problems: list[Problem] = []
            with pytest.raises(ManifestInvalid) as refused:
                compile_manifest(path, probe=seen.probe, eyes=seen.eyes())
            problems += refused.value.problems
        (problem,) = problems
        assert "(and so in 999 more)" in problem.message
    assert opened.count("line.wav") == 1
    (folder / "line.wav").write_bytes(sound(2.5))
    with inspector(folder, look) as seen:
        compile_manifest(path, probe=seen.probe, eyes=seen.eyes())
    assert opened.count("line.wav") == 2


def test_without_pyav_it_is_said_once_what_was_not_looked_at(folder: Path) -> None:
    """A note, and nothing is kept: the next run may know more."""
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(sound(1) + name.encode())
    path = written(
        folder,
        """videos:
  one: { api: avatar, image: hana.png, sound_file: a.wav }
  two: { api: avatar, image: hana.png, sound_file: b.wav }
""",
    )

    def look(file: Path, kind: str) -> Facts:
        return look_at_file(file, kind, streams=False)

    with inspector(folder, look) as seen:
        manifest = compile_manifest(path, probe=seen.probe, eyes=seen.eyes())
    (note,) = manifest.problems
    assert (note.id, note.level) == ("KP333", "note")
    assert "kling-pipe[probe]" in note.hint
    assert "(and so in 1 more)" in note.message
    assert [one.id for one in problems_of(path)] == ["KP330", "KP330"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version": 1, "files": {"a audio": {"kind": 3}}}', '{"version": 2}']
)
def test_a_broken_cache_is_an_empty_one(tmp_path: Path, text: str) -> None:
    """Whatever somebody did to it."""
    (tmp_path / "media.json").write_text(text, encoding="utf-8")
    kept = FactsCache(tmp_path)
    assert dict(kept) == {}
    kept["a audio"] = Facts("audio", "wav", 3, seconds=1.0)
    kept.save()
    assert dict(FactsCache(tmp_path)) == {"a audio": Facts("audio", "wav", 3, seconds=1.0)}
    assert (tmp_path / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_cache_that_cannot_be_written_is_no_problem(tmp_path: Path) -> None:
    """The next run looks again."""
    (tmp_path / "cache").write_text("a file where a folder should be", encoding="utf-8")
    kept = FactsCache(tmp_path / "cache")
    kept["a audio"] = Facts("audio", "wav")
    kept.save()
    assert dict(FactsCache(tmp_path / "cache")) == {}


def after(url: str, model: str = "kling-v3-omni") -> str:
    return f"""videos:
  clip: "{url}"
  after: {{ model_name: {model}, continues: video.clip, prompt: more waves, aspect_ratio: 16:9 }}
"""


def test_without_probe_nothing_is_sent(folder: Path, server: Files) -> None:
    """Compiling is offline."""
    server.asked.clear()
    assert problems_of(written(folder, after(f"{server.base}/404/clip.mp4"))) == []
    assert server.asked == []


def test_a_link_that_leads_nowhere_is_told_where_it_is_written(folder: Path, server: Files) -> None:
    """At its name, once, and without the query that may hold a key."""
    path = written(
        folder,
        after(f"{server.base}/404/clip.mp4?signature=secret&key=secret")
        + "  again: { continues: video.clip, prompt: more and more waves, aspect_ratio: 16:9 }\n",
    )
    (problem,) = problems_of(path, links=True)
    assert (problem.id, problem.level) == ("KP332", "error")
    assert "clip:" in line_of(problem, path)
    assert "404/clip.mp4?...` answers 404" in problem.message
    assert "(and so in 1 more)" in problem.message
    done = call("validate", "--probe", folder=folder)
    assert done.code == 3
    assert "secret" not in done.out + done.err
    for form in ("json", "github", "sarif", "junit", "markdown"):
        done = call("validate", "--probe", "--format", form, folder=folder)
        assert "KP332" in done.out
        assert "secret" not in done.out + done.err


@pytest.mark.parametrize(("model", "seconds", "size", "told"), [
    ("kling-v3-omni", 6, (1280, 720), []),
    ("kling-v3-omni", 2, (1280, 720), ["2 s"]),
    ("kling-v3-omni", 12, (1280, 720), []),
    ("kling-video-o1", 12, (1280, 720), ["12 s"]),
    ("kling-v3-omni", 6, (640, 360), ["640 x 360 px"]),
])  # fmt: skip
def test_a_film_behind_a_link_is_held_against_its_field(
    folder: Path, server: Files, model: str, seconds: float, size: tuple[int, int], told: list[str]
) -> None:
    """By the limits of the very model that takes it."""
    url = server.put(f"ranges/{seconds}{size[0]}.mp4", header_first(film(seconds, size)))
    problems = problems_of(written(folder, after(url, model)), links=True)
    assert [(one.id, one.found) for one in problems] == [("KP330", one) for one in told]


def test_what_a_link_leads_to_goes_on_into_the_contracts(folder: Path, server: Files) -> None:
    """An edit is as long as the film that goes in: 12 s are too long for the dance that uses it."""
    url = server.put("ranges/twelve.mp4", header_first(film(12)))
    path = written(
        folder,
        f"""videos:
  clip: "{url}"
  redder: {{ prompt: the sky is red, edits: video.clip }}
  dance:
    {{ api: motion-control, model_name: kling-v3, image_url: hana.png, video_url: video.redder,
      character_orientation: image, mode: std }}
""",
    )
    assert problems_of(path) == []
    (problem,) = problems_of(path, links=True)
    assert (problem.id, problem.address, problem.found) == ("KP331", "video.dance", "12 s long")


def priced(manifest: Manifest, folder: Path) -> float | None:
    found = plan(manifest, open_workspace(manifest, emulator=True, state=folder / "state"), refresh=False)
    return found.steps[-1].cost.units


def test_a_price_that_hangs_on_a_film_is_known_when_it_was_looked_at(folder: Path, server: Files) -> None:
    """An edit is billed by the second of the film that goes in."""
    url = server.put("ranges/six.mp4", FILM)
    path = written(folder, f'videos:\n  clip: "{url}"\n  redder: {{ prompt: red sky, edits: video.clip }}\n')
    assert priced(load(path), folder) is None
    assert priced(load(path, links=read_links), folder) is not None


def test_what_is_made_needs_its_links_no_more(folder: Path, server: Files) -> None:
    """A saved plan is looked at as it was; a link that runs out after the film was made stops nobody."""
    url = server.put("ranges/then.mp4", FILM)
    written(folder, f'videos:\n  clip: "{url}"\n  redder: {{ prompt: red sky, edits: video.clip }}\n')
    done = call("plan", "--emulator", "--probe", "--out", "plan.json", folder=folder)
    assert done.code == 0, done.err
    assert json.loads((folder / "plan.json").read_text(encoding="utf-8"))["asked"]["probe"] is True
    done = call("run", "plan.json", "-y", folder=folder)
    assert done.code == 0, done.err
    server.content["ranges/then.mp4"] = b""
    assert call("validate", "--probe", folder=folder).code == 3
    assert call("run", "--emulator", "--probe", "-y", folder=folder).code == 0


def test_a_plan_says_what_it_could_not_look_at(folder: Path, server: Files) -> None:
    """A note that is worth a line also where other notes are not."""
    written(folder, after(f"{server.base}/503/clip.mp4"))
    done = call("plan", "--emulator", "--probe", folder=folder)
    assert done.code == 0
    assert "KP334" in done.err
    assert "answers 503" in done.err


@pytest.mark.parametrize("link", ["ftp://example.com/clip.mp4", "file:///etc/passwd", "s3://bucket/clip.mp4"])
def test_links_of_other_schemes_are_refused(folder: Path, link: str) -> None:
    """Kling fetches over http; a path with a scheme is no path."""
    (problem,) = problems_of(written(folder, after(link)))
    assert problem.level == "error"
    assert "http" in problem.message + problem.hint + problem.allowed
    shutil.rmtree(folder / ".kling-pipe", ignore_errors=True)


@pytest.mark.parametrize(("size", "other", "told"), [
    ((640, 360), (640, 360), []),
    ((1280, 720), (1280, 720), []),
    ((640, 640), (640, 640), ["another shape than `image`", "another shape than `image`"]),
    ((640, 360), (1280, 720), ["other pixels than the first"]),
])  # fmt: skip
def test_masks_fit_the_picture_and_each_other(
    folder: Path, size: tuple[int, int], other: tuple[int, int], told: list[str]
) -> None:
    """The brush of `image2video`: the picture's shape, and one size for all."""
    Image.new("L", size).save(folder / "a.png")
    Image.new("L", other).save(folder / "b.png")
    path = written(
        folder,
        """videos:
  brushed:
    api: image2video
    model_name: kling-v1
    image: hana.png
    prompt: the dog runs
    static_mask: a.png
    dynamic_masks: [{ mask: b.png, trajectories: [{ x: 1, y: 2 }, { x: 3, y: 4 }] }]
""",
    )
    problems = problems_of(path)
    assert [one.id for one in problems] == ["KP330"] * len(told)
    for problem, words in zip(problems, told, strict=True):
        assert words in problem.message


@pytest.mark.parametrize(("model", "seconds", "size", "told"), [
    ("kling-v3-omni", 6, (1280, 720), []),
    ("kling-v3-omni", 2, (1280, 720), ["2 s"]),
    ("kling-video-o1", 12, (1280, 720), ["12 s"]),
    ("kling-v3-omni", 6, (640, 360), ["640 x 360 px"]),
])  # fmt: skip
@pytest.mark.parametrize("named", [True, False])
def test_a_film_on_this_machine_is_held_against_its_field(
    folder: Path, named: bool, model: str, seconds: float, size: tuple[int, int], told: list[str]
) -> None:
    """As one behind a link is, once, under a name of its own or not; with and without PyAV."""
    (folder / "clip.mp4").write_bytes(film(seconds, size))
    text = after("clip.mp4", model)
    path = written(
        folder, text if named else text.replace("video.clip", "clip.mp4").replace('  clip: "clip.mp4"\n', "")
    )
    assert [(one.id, one.found) for one in problems_of(path)] == [("KP330", one) for one in told]

    def look(file: Path, kind: str) -> Facts:
        return look_at_file(file, kind, streams=False)

    with inspector(folder / "elsewhere", look) as seen:
        problems: tuple[Problem, ...] = ()
        try:
            compile_manifest(path, probe=seen.probe, eyes=seen.eyes(), publishes=True)
        except ManifestInvalid as error:
            problems = error.problems
    assert [(one.id, one.found) for one in problems] == [("KP330", one) for one in told]
