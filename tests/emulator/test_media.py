"""Results are real files: right size, length, pictures in their places, shots at their seconds."""

import io
import subprocess
import sys

import av
import pytest
from PIL import Image

from kling_pipe.emulator.media.frame_layout import Layout
from tests.emulator.conftest import ELEMENT, IMAGE, VIDEO, clip, element, picture, still


@pytest.fixture(scope="module")
def studio():
    """One emulator with real media for all tests here; drawing is what takes the time."""
    from tests.emulator.conftest import started

    with started(slots={"video": 50, "image": 50}) as kling:
        yield kling


def url_of(task):
    (items,) = [value for value in task["task_result"].values() if isinstance(value, list)]
    return items[0]["url"]


def frames(kling, task):
    """The decoded clip: its pictures as RGB, and the container's facts."""
    content = kling.http.get(url_of(task)).content
    with av.open(io.BytesIO(content)) as container:
        facts = {
            "comment": container.metadata["comment"],
            "rate": float(container.streams.video[0].average_rate),
            "codec": container.streams.video[0].codec_context.name,
            "pixels": container.streams.video[0].codec_context.pix_fmt,
            "size": (container.streams.video[0].width, container.streams.video[0].height),
            "sound": [stream.codec_context.name for stream in container.streams.audio],
            "seconds": container.streams.video[0].frames / 24,
        }
        return [frame.to_image() for frame in container.decode(video=0)], facts


def near(found, wanted, slack=40):
    return all(abs(a - b) <= slack for a, b in zip(found, wanted, strict=True))


def test_a_clip_is_what_was_asked_for(studio):
    """Size, rate, format, one frame more than 3 s, the external id as comment, a tone because sound is on."""
    pictures, facts = frames(studio, studio.make(VIDEO, clip("clip", sound="on", aspect_ratio="9:16")))
    assert facts == {
        "comment": "clip",
        "rate": 24.0,
        "codec": "h264",
        "pixels": "yuv420p",
        "size": (720, 1280),
        "sound": ["aac"],
        "seconds": 73 / 24,
    }
    assert len(pictures) == 73


def test_a_silent_clip_has_no_audio(studio):
    """`sound: off` is the default."""
    _, facts = frames(studio, studio.make(VIDEO, clip("silent")))
    assert facts["sound"] == []


@pytest.mark.parametrize(("mode", "size"), [("std", (1280, 720)), ("pro", (1920, 1080))])
def test_the_mode_is_the_size(studio, mode, size):
    """720p and 1080p."""
    _, facts = frames(studio, studio.make(VIDEO, clip(f"mode-{mode}", mode=mode)))
    assert facts["size"] == size


def test_each_reference_stands_in_its_numbered_place(studio):
    """Pictures in the order of the list, then the element by its frontal picture, then a video by its first frame."""
    colours = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255)}
    hana = studio.make(ELEMENT, element("hana"))["task_result"]["elements"][0]["element_id"]
    body = clip(
        "references", image_list=[{"image_url": picture(name)} for name in colours], element_list=[{"element_id": hana}]
    )
    pictures, _ = frames(studio, studio.make(VIDEO, body))
    layout = Layout(*pictures[0].size, references=4)
    for number, colour in enumerate([*colours.values(), (128, 0, 128)], 1):
        for picture_ in (pictures[0], pictures[-1]):
            assert near(picture_.getpixel(layout.thumbnail(number).center), colour), number


def test_shots_change_at_their_seconds(studio):
    """The background jumps at 1 s and at 3 s, at no other frame."""
    shots = [{"index": n + 1, "prompt": f"shot {n}", "duration": str(s)} for n, s in enumerate((1, 2, 1))]
    body = clip("shots", multi_shot=True, shot_type="customize", multi_prompt=shots, duration="4")
    pictures, _ = frames(studio, studio.make(VIDEO, {name: value for name, value in body.items() if name != "prompt"}))
    corner = [picture_.getpixel((5, 5)) for picture_ in pictures]
    jumps = [n for n in range(1, len(corner)) if not near(corner[n], corner[n - 1], slack=12)]
    assert jumps == [24, 72]


def test_progress_moves_with_time(studio):
    """The bar is empty at its end in the first frame, and full there in the last."""
    pictures, _ = frames(studio, studio.make(VIDEO, clip("progress")))
    layout = Layout(*pictures[0].size)
    y = layout.bar.center[1]
    bright = [
        sum(1 for x in range(layout.bar.left, layout.bar.right, 8) if picture_.getpixel((x, y))[0] > 200)
        for picture_ in pictures
    ]
    assert bright == sorted(bright)
    assert bright[0] <= 3
    assert bright[-1] >= layout.bar.width // 8 - 2


def test_a_picture_carries_its_id_and_becomes_a_first_frame(studio):
    """A PNG of about the asked pixels; a clip that starts with it has its shape, and shows it."""
    task = studio.make(IMAGE, still("frame", aspect_ratio="21:9"))
    with Image.open(io.BytesIO(studio.http.get(url_of(task)).content)) as made:
        assert made.text["Comment"] == "frame"
        assert abs(made.width / made.height - 21 / 9) < 0.05
        ground = made.convert("RGB").getpixel((made.width // 2, made.height // 2))
        shape = made.width / made.height
    body = clip("moving", image_list=[{"image_url": url_of(task), "type": "first_frame"}], aspect_ratio="")
    pictures, facts = frames(studio, studio.make(VIDEO, body))
    assert abs(facts["size"][0] / facts["size"][1] - shape) < 0.01
    thumbnail = Layout(*facts["size"], references=1).thumbnail(1)
    assert near(pictures[0].getpixel(thumbnail.center), ground, slack=60)


def test_a_continued_clip_shows_the_clip_before(studio):
    """The emulator's own clip stands among the references by its first frame, a foreign one by a swatch."""
    first = studio.make(VIDEO, clip("first"))
    videos = [{"video_url": url_of(first), "refer_type": "feature", "keep_original_sound": "no"}]
    pictures, _ = frames(studio, studio.make(VIDEO, clip("second", video_list=videos)))
    before, _ = frames(studio, first)
    thumbnail = Layout(*pictures[0].size, references=1).thumbnail(1)
    corner = (thumbnail.left + thumbnail.width // 8, thumbnail.center[1])
    small = (
        before[0]
        .resize((thumbnail.height * 16 // 9, thumbnail.height))
        .getpixel((thumbnail.height * 16 // 9 // 2 - thumbnail.width * 3 // 8, thumbnail.height // 2))
    )
    assert near(pictures[0].getpixel(corner), small, slack=60)
    foreign = [{"video_url": "https://example.com/a.mp4", "refer_type": "base", "keep_original_sound": "no"}]
    edited = studio.make(VIDEO, clip("edited", video_list=foreign, duration="", aspect_ratio=""))
    assert edited["task_result"]["videos"][0]["duration"] == "5.041"


def test_the_same_request_is_the_same_clip(studio):
    """Encoded once: under another external id only the comment differs; the same id again would be the same bytes."""
    one, two = (studio.make(VIDEO, clip(name, prompt="twins")) for name in ("twin-1", "twin-2"))
    pictures = [frames(studio, task) for task in (one, two)]
    assert [facts["comment"] for _, facts in pictures] == ["twin-1", "twin-2"]
    assert [p.tobytes() for p in pictures[0][0]] == [p.tobytes() for p in pictures[1][0]]
    contents = [studio.http.get(url_of(task)).content for task in (one, two)]
    assert contents[0].replace(b"twin-1", b"twin-2") == contents[1]


def test_a_url_serves_parts(studio):
    """Ranges, from the start, from the end, and one that cannot be."""
    url = url_of(studio.make(IMAGE, still("ranges")))
    whole = studio.http.get(url).content
    for asked, status, content in (
        ("bytes=0-9", 206, whole[:10]),
        ("bytes=10-", 206, whole[10:]),
        ("bytes=-10", 206, whole[-10:]),
        (f"bytes={len(whole)}-", 416, b""),
        ("bytes=9-1", 416, b""),
        ("lines=1-2", 200, whole),
    ):
        answer = studio.http.get(url, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (status, content), asked
    assert studio.http.head(url).headers["content-length"] == str(len(whole))


def test_a_damaged_or_small_picture_fails_the_task(studio):
    """The task is accepted and fails with Kling's words; what is no picture at all is refused."""
    small = studio.make(VIDEO, clip("small", image_list=[{"image_url": picture("red", (200, 400))}]))
    assert (small["task_status"], small["task_status_msg"]) == ("failed", "Image pixel is invalid")
    answer = studio.post(VIDEO, clip("text", image_list=[{"image_url": "aGVsbG8="}]))
    assert "format" in answer.json()["message"]


def test_foreign_urls_are_never_fetched(studio):
    """A URL of elsewhere, even of this machine, is drawn as a swatch; no connection is made."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.3)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/a.png"
        frames(studio, studio.make(VIDEO, clip("foreign", image_list=[{"image_url": url}])))
        with pytest.raises(TimeoutError):
            trap.accept()
    answer = studio.post(VIDEO, clip("local", image_list=[{"image_url": "file:///etc/hostname"}]))
    assert answer.json()["code"] == 1201


def test_tiny_media_are_valid_and_as_large_as_asked(start):
    """Constant files for load tests, padded inside their own formats."""
    kling = start(media="tiny", media_bytes=65536)
    png = kling.http.get(url_of(kling.make(IMAGE, still("one")))).content
    mp4 = kling.http.get(url_of(kling.make(VIDEO, clip("two")))).content
    assert (len(png), len(mp4)) == (65536, 65536)
    with Image.open(io.BytesIO(png)) as made:
        made.load()
    with av.open(io.BytesIO(mp4)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25


def test_the_process_that_draws_survives_nonsense():
    """A bad job is answered with an error; the next line is read."""
    jobs = b'{"card": 3}\nnot json\n{"card": {"shots": []}}\n'
    done = subprocess.run(
        [sys.executable, "-m", "kling_pipe.emulator.render_worker"], input=jobs, capture_output=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(b"error" in line for line in lines)
