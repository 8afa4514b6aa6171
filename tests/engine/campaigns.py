"""Jobs by hand: small campaigns for the engine's tests, without a manifest."""

from __future__ import annotations

from dataclasses import replace

from kling_pipe.core.keys import key_of
from kling_pipe.model import Job, OutputRef

PROJECT = "test"


def job(address, operation, request, *, needs=(), known=(), **more):
    """A job with its key; `known` are the jobs that it refers to."""
    base, _, take = address.partition("#")
    kind, _, name = base.partition(".")
    name, _, _ = name.partition("@")
    keys = {one.address: one.key for one in known}
    place = "" if kind == "element" else f"{kind}/{base.partition('.')[2]}" + (f".t{take}" if take else "")
    return Job(
        address=address,
        base=base,
        kind=kind,
        name=name,
        take=int(take or 1),
        operation=operation,
        request=request,
        key=key_of(operation, request, keys.__getitem__),
        project=PROJECT,
        needs=tuple(needs),
        **{"place": place, **more},
    )


def image(name, prompt="a red kite", *, known=(), **more):
    """A picture; elements among `known` are its references."""
    elements = [{"element_id": OutputRef(one.address, "element")} for one in known if one.kind == "element"]
    request = {"model_name": "kling-v3-omni", "prompt": prompt, "aspect_ratio": "1:1"}
    if elements:
        request["element_list"] = elements
    request.update(more.pop("fields", {}))
    return job(f"image.{name}", "omni-image", request, needs=[one.address for one in known], known=known, **more)


def video(name, prompt="the kite climbs", *, frame=None, **more):
    """A clip of three seconds; `frame` is its first frame."""
    request = {"model_name": "kling-v3-omni", "prompt": prompt, "mode": "std", "duration": "3"}
    known = [frame] if frame else []
    if frame:
        request["image_list"] = [{"image_url": OutputRef(frame.address, "image"), "type": "first_frame"}]
    else:
        request["aspect_ratio"] = "16:9"
    request.update(more.pop("fields", {}))
    return job(f"video.{name}", "omni-video", request, needs=[one.address for one in known], known=known, **more)


def element(name, description="a tea farmer", **more):
    """An element made of two pictures at URLs."""
    request = {
        "element_name": name[:20],
        "element_description": description,
        "reference_type": "image_refer",
        "element_image_list": {
            "frontal_image": "https://example.com/front.png",
            "refer_images": [{"image_url": "https://example.com/left.png"}],
        },
    }
    return job(f"element.{name}", "element", request, **more)


def chain(name):
    """Element, picture, clip: each needs the one before."""
    hana = element(name)
    key = image(name, f"portrait of <<<element_1>>> {name}", known=[hana])
    return [hana, key, video(name, frame=key)]


def renamed(one, name):
    """The same job under another name."""
    address = f"{one.kind}.{name}"
    return replace(one, address=address, base=address, name=name, place=f"{one.kind}/{name}" if one.place else "")
