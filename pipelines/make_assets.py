"""Draw the pictures that the example pipelines use: flat shapes, the same bytes every time.

python pipelines/make_assets.py
"""

from pathlib import Path

from PIL import Image, ImageDraw

FOLDER = Path(__file__).parent / "assets"
SIZE = 512
SKIN, HAIR, INDIGO, IRON, WOOD, SKY, LEAF = "#e8b998", "#2b211c", "#35508a", "#2f3236", "#a9743f", "#dfe9ea", "#5f8f4e"


def person(view: str) -> Image.Image:
    """Hana from the front, the left or the back."""
    image = Image.new("RGB", (SIZE, SIZE), SKY)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((156, 300, 356, 520), 60, fill=INDIGO)
    draw.ellipse((176, 110, 336, 300), fill=HAIR if view == "back" else SKIN)
    draw.pieslice((166, 90, 346, 290), 180, 360, fill=HAIR)
    if view == "front":
        for x in (222, 290):
            draw.ellipse((x - 9, 200, x + 9, 218), fill=HAIR)
        draw.arc((220, 210, 292, 268), 20, 160, fill="#a4543c", width=6)
    if view == "left":
        draw.ellipse((196, 200, 214, 218), fill=HAIR)
        draw.polygon([(178, 215), (158, 244), (182, 248)], fill=SKIN)
        draw.rectangle((270, 150, 340, 300), fill=HAIR)
    return image


def kettle(view: str) -> Image.Image:
    """The kettle from the front or from above."""
    image = Image.new("RGB", (SIZE, SIZE), "#efe6d8")
    draw = ImageDraw.Draw(image)
    if view == "top":
        draw.ellipse((116, 116, 396, 396), fill=IRON)
        draw.ellipse((206, 206, 306, 306), fill="#4a4f55")
        draw.rectangle((96, 246, 416, 266), fill=WOOD)
        return image
    draw.polygon([(366, 300), (466, 230), (476, 256), (380, 350)], fill=IRON)
    draw.ellipse((116, 210, 396, 430), fill=IRON)
    draw.arc((146, 80, 366, 320), 180, 360, fill=WOOD, width=22)
    draw.ellipse((226, 186, 286, 226), fill="#4a4f55")
    return image


def logo() -> Image.Image:
    """A leaf in a circle."""
    image = Image.new("RGB", (SIZE, SIZE), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((56, 56, 456, 456), fill=LEAF)
    draw.pieslice((130, 170, 390, 430), 180, 270, fill="white")
    draw.line((150, 400, 380, 190), fill=LEAF, width=12)
    return image


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(exist_ok=True)
    pictures = {f"hana_{view}": person(view) for view in ("front", "left", "back")}
    pictures |= {f"kettle_{view}": kettle(view) for view in ("front", "top")} | {"logo": logo()}
    for name, image in pictures.items():
        image.quantize(64).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
