"""Every operation of the schemas with the example of its own page: accepted, carried out, its results real files."""

import base64
import copy
import io

import av
import pytest
from PIL import Image

from kling_pipe.catalog import operations
from kling_pipe.core.json_pointer import parts, walk
from tests.emulator.conftest import VIDEO, clip, started

PRESETS = {"element": 850000000000000011, "voice": "850000000000000077"}
TTS = {"text": "Good morning from the hills of tea.", "voice_id": "oversea_male1"}


@pytest.fixture(scope="module")
def studio():
    """One emulator with real media, and what the examples go on from: a film and a spoken line."""
    with started(slots={"video": 90, "image": 90}) as kling:
        film = kling.make(VIDEO, clip("film"))["task_result"]["videos"][0]
        line = kling.post("/v1/audio/tts", TTS).json()["data"]["task_result"]["audios"][0]
        kling.ids = {"video": film["id"], "audio": line["id"], **PRESETS}
        yield kling


def placed(body, pointer, value):
    for step in pointer[:-1]:
        body = body[step]
    body[pointer[-1]] = value


def opened(kling, operation, body):
    """The body after the calls that come before the create, as any client makes them."""
    for step in operation.kling.get("prepare", ()):
        items = [item for _, item in walk(body, f"{step['each']}/*")] if "each" in step else [{}]
        for item in items:
            pairs = ((name, place.removeprefix("$"), place[0] == "$") for name, place in step["sends"].items())
            fields = {name: value for name, at, own in pairs for _, value in walk(item if own else body, at)}
            data = kling.post(step["path"], fields).json()["data"]
            for name, place in step.get("keeps", {}).items():
                placed(body, parts(place), data[name])
                for sent in fields:
                    del body[sent]
            if form := step.get("chooses"):
                for _, chosen in walk(body, form["in"]):
                    chosen[form["id"]] = data[form["among"]][chosen.pop(form["number"])][form["id"]]
    return {name: value for name, value in body.items() if name not in ("selections", "deselections")}


def example(kling, operation, video_id=None):
    """The operation's example with ids that this account has; `video_id` in place of the video's URL."""
    body = copy.deepcopy(operation.schema["examples"][0])
    if video_id:
        body["video_id"] = video_id
        del body["video_url"]
    for entry in operation.kling["media"]:
        if "as" in entry or entry["kind"] in PRESETS:
            for pointer, _ in list(walk(body, entry["at"])):
                placed(body, pointer, kling.ids[entry["kind"]])
    body = opened(kling, operation, body)
    own = {"external_task_id": f"example-{operation.name}"} if "external_task_id" in operation.fields else {}
    return {**body, **own}


def made(kling, operation):
    answer = kling.post(operation.path, example(kling, operation))
    assert answer.status_code == 200, answer.text
    if operation.kling.get("synchronous"):
        return answer.json()["data"]
    kling.advance(60)
    return kling.get(f"{operation.path}/{answer.json()['data']['task_id']}")


def urls(value):
    """Every URL of a result, in order."""
    if isinstance(value, dict):
        return [one for inner in value.values() for one in urls(inner)]
    if isinstance(value, list):
        return [one for inner in value for one in urls(inner)]
    return [value] if str(value).startswith("http") and "/media/" in str(value) else []


def kind_of(content):
    try:
        return Image.open(io.BytesIO(content)).format
    except OSError:
        with av.open(io.BytesIO(content)) as container:
            return ",".join(sorted({stream.type for stream in container.streams}))


@pytest.mark.parametrize("name", operations.names())
def test_the_example_of_an_operation_is_made(studio, name):
    """Accepted after its first calls, done by the clock, and each result decodes as what the data says it is."""
    operation = operations.load_operation(name)
    task = made(studio, operation)
    assert task["task_status"] == operation.kling["states"]["success"][0]
    result = operation.kling["result"]
    if "id" in result:
        assert str(task["task_result"][result["key"]][0][result["id"]]).isdecimal()
        return
    found = [kind_of(studio.http.get(url).content) for url in urls(task["task_result"])]
    parts_of_it = (result, *result.get("also", ()))
    copies = sum(len(one.get("copies", ())) for one in parts_of_it)
    assert len(found) == operations.output_count(operation, operation.schema["examples"][0]) + copies
    wanted = [one["media"] for one in parts_of_it]
    for kind, medium in zip(found, wanted, strict=False):
        assert {"image": "PNG", "video": "video", "audio": "audio"}[medium] in kind.split(",")


def test_a_film_is_as_long_as_what_it_is_made_from(studio):
    """Lip sync keeps the film's length, an extension adds five seconds, an avatar speaks as long as its line."""
    lengths = {}
    video = {"advanced-lip-sync": studio.ids["video"]}
    for name in ("advanced-lip-sync", "video-extend", "avatar"):
        body = {
            **example(studio, operations.load_operation(name), video.get(name)),
            "external_task_id": f"length-{name}",
        }
        task_id = studio.post(operations.load_operation(name).path, body).json()["data"]["task_id"]
        studio.advance(60)
        task = studio.get(f"{operations.load_operation(name).path}/{task_id}")
        lengths[name] = float(task["task_result"]["videos"][0]["duration"])
    assert lengths["advanced-lip-sync"] == 3.041
    assert lengths["video-extend"] == 8.041
    assert 2 < lengths["avatar"] < 3


def test_a_create_without_its_session_is_refused(studio):
    """The calls before a create are no formality: missing and unknown sessions are told from good ones."""
    path = "/v1/videos/advanced-lip-sync"
    sound = {"audio_id": studio.ids["audio"], "sound_start_time": 0, "sound_end_time": 2000, "sound_insert_time": 0}
    body = {"face_choose": [{"face_id": "0", **sound}]}
    for changes, message in [
        ({"video_id": studio.ids["video"]}, "session_id can not be null"),
        ({"session_id": "17"}, "Session not found by id: 17"),
    ]:
        answer = studio.post(path, {**body, **changes})
        assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (400, 1201, message)
    for fields, message in [
        ({}, "video_id and video_url can not be null"),
        ({"video_id": "12345"}, "Video not found by id: 12345"),
    ]:
        answer = studio.post("/v1/videos/identify-face", fields)
        assert (answer.json()["code"], answer.json()["message"]) == (1201, message)


def test_voices_are_a_library(studio):
    """Made, listed, deleted; presets are nobody's to delete."""
    voice = operations.load_operation("voice")
    task = studio.make(voice.path, {"voice_name": "Hana", "voice_url": "https://example.com/hana.mp3"})
    number = task["task_result"]["voices"][0]["voice_id"]
    assert isinstance(number, str)
    spoken = {"model_name": "kling-v2-6", "prompt": "<<<voice_1>>> speaks", "sound": "on", "mode": "pro"}
    body = {**spoken, "voice_list": [{"voice_id": number}]}
    text = operations.load_operation("text2video").path
    assert studio.post(text, body).json()["code"] == 0
    assert studio.post(voice.kling["delete"]["paths"][0], {"voice_id": number}).json()["code"] == 0
    assert studio.post(text, body).json()["message"] == f"Voice not found by id: {number}"
    presets = studio.get(voice.kling["presets"]["path"])
    names = [one["task_result"]["voices"][0]["voice_name"] for one in presets]
    assert names == ["Harbour", "Orchard"]
    answer = studio.post(voice.kling["delete"]["paths"][0], {"voice_id": PRESETS["voice"]})
    assert answer.json()["code"] == 1201


def test_sounds_may_come_as_base64(studio):
    """An MP3 inside the request is kept; what is no sound is refused."""
    url = studio.post("/v1/audio/tts", TTS).json()["data"]["task_result"]["audios"][0]["url"]
    sound = base64.b64encode(studio.http.get(url).content).decode()
    avatar = operations.load_operation("avatar").path
    body = {"image": "https://example.com/hana.png", "sound_file": sound}
    assert studio.post(avatar, body).json()["code"] == 0
    answer = studio.post(avatar, {**body, "sound_file": base64.b64encode(b"no sound").decode()})
    assert answer.json()["message"] == "Audio format is invalid, only mp3, wav, m4a and aac are supported"


def png(width, height):
    file = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    ("old", "up", "down", "left", "right", "new"),
    [
        ((400, 300), 0.5, 0, 0.25, 0.25, (600, 450)),
        ((300, 400), 0, 0, 0, 0, (300, 400)),
        ((300, 400), 0, 0, 1, 1, (900, 400)),
    ],
)
def test_an_expanded_picture_is_larger_by_its_shares(studio, old, up, down, left, right, new):
    """Real pixels: each share of the picture's own side is added to it; a second expansion goes on from there."""
    shares = {"up": up, "down": down, "left": left, "right": right}
    body = {f"{side}_expansion_ratio": share for side, share in shares.items()}
    path = operations.load_operation("expand-image").path
    image = png(*old)
    for _ in range(2):
        answer = studio.post(path, {"image": image, **body})
        studio.advance(60)
        url = studio.get(f"{path}/{answer.json()['data']['task_id']}")["task_result"]["images"][0]["url"]
        size = Image.open(io.BytesIO(studio.http.get(url).content)).size
        assert size == pytest.approx(new, abs=1)
        image, new = url, (round(new[0] * (1 + left + right)), round(new[1] * (1 + up + down)))


@pytest.mark.parametrize("name", ["text-to-audio", "video-to-audio"])
def test_a_sound_comes_as_mp3_and_as_wav(studio, name):
    """Both links lead to the same tune, equally long."""
    operation = operations.load_operation(name)
    body = {**example(studio, operation), "external_task_id": f"copies-{name}"}
    task_id = studio.post(operation.path, body).json()["data"]["task_id"]
    studio.advance(60)
    (sound,) = studio.get(f"{operation.path}/{task_id}")["task_result"]["audios"]
    assert sound["duration_wav"] == sound["duration_mp3"]
    for form in ("mp3", "wav"):
        answer = studio.http.get(sound[f"url_{form}"])
        assert answer.headers["content-type"] == {"mp3": "audio/mpeg", "wav": "audio/wav"}[form]
        with av.open(io.BytesIO(answer.content)) as container:
            assert container.format.name == form
            assert container.duration / 1e6 == pytest.approx(float(sound[f"duration_{form}"]), abs=0.1)
            assert container.metadata["comment"]
