"""Eighteen more ways in which a picture is copied, beyond those that are planted in every audit.

They are what people do to pictures before they post them: print them, frame them, cover them, photograph them aslant,
and run them through filters. Each takes a picture of any size; one that is smaller than a print needs is enlarged.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from twig_assets.similarity.detectors.copies import TRANSFORMS as PLANTED
from twig_assets.similarity.detectors.copies import transformed as planted

PRINTED_SIDE = 256
"""Long side in pixels that a picture has at least before it is printed, framed or filtered."""

Grounds = list[Image.Image]
_SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])


def copied(picture: np.ndarray, name: str, rng: np.random.Generator, grounds: list[np.ndarray]) -> np.ndarray:
    """A copy of a picture in one of the thirty-six ways.

    Args:
        picture: uint8 array of shape (H, W, 3).
        name: One of TRANSFORMS.
        rng: Source of noise, places and amounts.
        grounds: Three other pictures, uint8 of shape (h, w, 3), that a paste and a collage show too.

    Returns:
        uint8 array of shape (h, w, 3).
    """
    if name in PLANTED:
        return planted(picture, name, rng, grounds[0])
    return np.asarray(_FURTHER[name](_large_enough(Image.fromarray(picture)), rng, list(map(Image.fromarray, grounds))))


def _large_enough(image: Image.Image) -> Image.Image:
    scale = PRINTED_SIDE / max(image.size)
    if scale <= 1:
        return image
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)


def _aslant(image: Image.Image, rng: np.random.Generator, share: float) -> Image.Image:
    """Seen from the side: each corner moves inwards by up to a share of the sides, two of them by all of it."""
    import cv2

    w, h = image.size
    inward = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * rng.uniform(0, share, (4, 2))
    inward[:2, 0] = share * np.array([1, -1]) * rng.permutation([1, 0.3])
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    seen = (corners + inward * (w, h)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, seen)
    return Image.fromarray(cv2.warpPerspective(np.asarray(image), matrix, (w, h), borderValue=(60, 60, 60)))


def _sheared(image: Image.Image) -> Image.Image:
    """The lower edge moves to the right by a quarter of the height."""
    w, h = image.size
    matrix = (1, -0.25, 0, 0, 1, 0)
    turned = image.transform((round(w + 0.25 * h), h), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    inside = Image.new("L", (w, h), 255).transform(turned.size, Image.Transform.AFFINE, matrix)
    return Image.composite(turned, Image.new("RGB", turned.size, "white"), inside)


def _stretched(image: Image.Image) -> Image.Image:
    return image.resize((round(image.width * 1.3), image.height), Image.Resampling.BICUBIC)


def _halftone(image: Image.Image) -> Image.Image:
    """Printed in black dots at 45 degrees, four pixels apart; then seen at its own size."""
    large = image.convert("L").resize((image.width * 2, image.height * 2))
    grey = np.asarray(large, np.float64) / 255
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]]
    u, v = (x + y) / np.sqrt(2), (y - x) / np.sqrt(2)
    screen = (np.cos(2 * np.pi * u / 8) + np.cos(2 * np.pi * v / 8)) / 4 + 0.5
    dots = Image.fromarray(((grey > screen) * 255).astype(np.uint8))
    return dots.resize(image.size, Image.Resampling.LANCZOS).convert("RGB")


def _letterboxed(image: Image.Image) -> Image.Image:
    w, h = image.size
    framed = Image.new("RGB", (w, round(w * 1.25)) if h <= w else (round(h * 1.25), h), "black")
    framed.paste(image, ((framed.width - w) // 2, (framed.height - h) // 2))
    return framed


def _captioned(image: Image.Image) -> Image.Image:
    w, h = image.size
    bar = round(h * 0.2)
    framed = Image.new("RGB", (w, h + 2 * bar), "white")
    framed.paste(image, (0, bar))
    pen = ImageDraw.Draw(framed)
    for text, y in (("NOBODY READS THE MANUAL", bar / 2), ("UNTIL THE LIGHTS GO OUT", h + 1.5 * bar)):
        pen.text((w / 2, y), text, font=ImageFont.load_default(max(9, round(w / 17))), fill="black", anchor="mm")
    return framed


def _stuck_over(image: Image.Image) -> Image.Image:
    """A face over the middle fifth of the area."""
    covered = image.copy()
    pen = ImageDraw.Draw(covered)
    (w, h), ink = image.size, (80, 50, 10)
    r, x, y = np.sqrt(0.2 * w * h / np.pi), w / 2, h / 2
    pen.ellipse((x - r, y - r, x + r, y + r), fill=(255, 205, 60))
    pen.ellipse((x - 0.45 * r, y - 0.4 * r, x - 0.2 * r, y - 0.1 * r), fill=ink)
    pen.ellipse((x + 0.2 * r, y - 0.4 * r, x + 0.45 * r, y - 0.1 * r), fill=ink)
    pen.arc((x - 0.55 * r, y - 0.3 * r, x + 0.55 * r, y + 0.65 * r), 20, 160, fill=ink, width=max(2, round(r / 11)))
    return covered


def _sepia(image: Image.Image) -> Image.Image:
    """Brown, and darker towards the corners."""
    pixels = (np.asarray(image, np.float64) @ _SEPIA.T).clip(0, 255)
    y, x = np.mgrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j]
    light = 1 - 0.65 * np.clip((x * x + y * y) / 1.6, 0, 1)
    return Image.fromarray((pixels * light[..., None]).clip(0, 255).astype(np.uint8))


def _posted(image: Image.Image) -> Image.Image:
    """A post in an application on a telephone, as a screenshot."""
    width, height = 260, 500
    screen = Image.new("RGB", (width, height), (250, 250, 250))
    pen = ImageDraw.Draw(screen)
    pen.rectangle((0, 0, width, 20), fill=(28, 30, 36))
    pen.text((8, 10), "09:27", font=ImageFont.load_default(11), fill="white", anchor="lm")
    pen.ellipse((8, 25, 36, 53), fill=(90, 170, 140))
    pen.text((44, 39), "an.account", font=ImageFont.load_default(13), fill="black", anchor="lm")
    post = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    post = post.crop((0, 0, width, min(post.height, 300)))
    screen.paste(post, (0, 60))
    below = 60 + post.height
    for i in range(4):
        pen.ellipse((8 + 30 * i, below + 8, 27 + 30 * i, below + 27), outline="black", width=2)
    for i, text in enumerate(("3,208 likes", "an.account seen on my way home", "View all 12 comments")):
        pen.text((8, below + 42 + 20 * i), text, font=ImageFont.load_default(12), fill="black", anchor="lm")
    return screen


def _pencilled(image: Image.Image) -> Image.Image:
    """Grey divided by its blurred self: what photo editors call a pencil drawing."""
    import cv2

    grey = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY)
    blurred = cv2.GaussianBlur(255 - grey, (21, 21), 0)
    return Image.fromarray(cv2.divide(grey, 255 - blurred, scale=256)).convert("RGB")


def _outlined(image: Image.Image) -> Image.Image:
    """Black outlines on white, by Canny's edges of the smoothed picture."""
    import cv2

    grey = cv2.GaussianBlur(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY), (0, 0), 1.2)
    edges = cv2.Canny(grey, 40, 110)
    return Image.fromarray(255 - cv2.GaussianBlur(edges, (0, 0), 0.6)).convert("RGB")


def _painted(image: Image.Image) -> Image.Image:
    """Broad strokes: what photo editors call an oil painting, each pixel the mean of its neighbours' commonest tone."""
    import cv2

    pixels = np.asarray(image)
    tone = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) // 32
    radius = max(2, round(min(image.size) / 64))
    window = (2 * radius + 1, 2 * radius + 1)
    counts = np.stack([cv2.boxFilter((tone == level).astype(np.float32), -1, window) for level in range(8)])
    colours = np.stack(
        [
            cv2.boxFilter(np.where((tone == level)[..., None], pixels, 0).astype(np.float32), -1, window)
            for level in range(8)
        ]
    )
    commonest = counts.argmax(axis=0)[None]
    share = np.take_along_axis(counts, commonest, 0)[0][..., None]
    colour = np.take_along_axis(colours, commonest[..., None], 0)[0]
    return Image.fromarray((colour / share).clip(0, 255).astype(np.uint8))


def _beside_others(image: Image.Image, rng: np.random.Generator, grounds: Grounds) -> Image.Image:
    """One of four tiles; the other three are other pictures."""
    tiles = [*grounds[:3]]
    tiles.insert(int(rng.integers(4)), image)
    board = Image.new("RGB", (400, 400), "white")
    for i, tile in enumerate(tiles):
        board.paste(ImageOps.fit(tile, (197, 197)), ((i % 2) * 203, (i // 2) * 203))
    return board


def _placed(image: Image.Image, rng: np.random.Generator, ground: Image.Image, degrees: float) -> Image.Image:
    """Turned, then put at a random place on another picture, at half its smaller side."""
    under = _large_enough(ground)
    scale = min(under.size) / 2 / max(image.size)
    small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    turned = small.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    mask = Image.new("L", small.size, 255).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    x, y = (int(rng.integers(wide - side + 1)) for wide, side in zip(under.size, turned.size, strict=True))
    onto = under.copy()
    onto.paste(turned, (x, y), mask)
    return onto


_FURTHER: dict[str, Callable[[Image.Image, np.random.Generator, Grounds], Image.Image]] = {
    "perspective 8": lambda image, rng, grounds: _aslant(image, rng, 0.08),
    "perspective 25": lambda image, rng, grounds: _aslant(image, rng, 0.25),
    "shear": lambda image, rng, grounds: _sheared(image),
    "stretch 1.3": lambda image, rng, grounds: _stretched(image),
    "halftone": lambda image, rng, grounds: _halftone(image),
    "1-bit dither": lambda image, rng, grounds: image.convert("1").convert("RGB"),
    "posterise": lambda image, rng, grounds: ImageOps.posterize(image, 2),
    "sepia, vignette": lambda image, rng, grounds: _sepia(image),
    "pencil": lambda image, rng, grounds: _pencilled(image),
    "outlines": lambda image, rng, grounds: _outlined(image),
    "oil painting": lambda image, rng, grounds: _painted(image),
    "letterbox": lambda image, rng, grounds: _letterboxed(image),
    "captions": lambda image, rng, grounds: _captioned(image),
    "sticker": lambda image, rng, grounds: _stuck_over(image),
    "screenshot": lambda image, rng, grounds: _posted(image),
    "collage": _beside_others,
    "pasted in, mirrored": lambda image, rng, grounds: _placed(ImageOps.mirror(image), rng, grounds[0], 0),
    "pasted in, turned": lambda image, rng, grounds: _placed(image, rng, grounds[0], float(rng.choice([-20, 20, 90]))),
}
TRANSFORMS = (*PLANTED, *_FURTHER)
"""Names of the thirty-six."""
