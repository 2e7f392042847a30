"""Eighteen ways in which a picture is copied: planted to measure what detectors find."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

_WHITE = (255, 255, 255)


def transformed(picture: np.ndarray, name: str, rng: np.random.Generator, ground: np.ndarray) -> np.ndarray:
    """A copy of a picture.

    Args:
        picture: uint8 array of shape (H, W, 3).
        name: One of TRANSFORMS.
        rng: Source of noise, places and amounts.
        ground: uint8 array of shape (h, w, 3): another picture, which `pasted in` pastes onto.

    Returns:
        uint8 array of shape (H, W, 3); (W, H, 3) for `rot90`, (h, w, 3) for `pasted in`.
    """
    image = Image.fromarray(picture)
    if name == "pasted in":
        return np.asarray(_pasted(image, rng, Image.fromarray(ground)))
    return np.asarray(_TRANSFORMS[name](image, rng))


def _jpeg(image: Image.Image, quality: int = 30) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def _noise(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, np.float32)
    return Image.fromarray((pixels + rng.normal(0, 12, pixels.shape)).clip(0, 255).astype(np.uint8))


def _blur(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(min(image.size) / 128))


def _jitter(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast and saturation changed by up to 40 %, hue by up to a tenth of the circle."""
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(rng.uniform(0.6, 1.4))
    hue, saturation, value = image.convert("HSV").split()
    turned = (np.asarray(hue, np.int16) + rng.integers(-25, 26)) % 256
    return Image.merge("HSV", (Image.fromarray(turned.astype(np.uint8)), saturation, value)).convert("RGB")


def _text(image: Image.Image) -> Image.Image:
    written, size = image.copy(), max(8, image.height // 5)
    pen = ImageDraw.Draw(written)
    pen.text(
        (image.width / 2, image.height * 0.6),
        "SAMPLE",
        fill=_WHITE,
        font=ImageFont.load_default(size),
        anchor="mm",
        stroke_width=max(1, size // 12),
        stroke_fill=(0, 0, 0),
    )
    return written


def _crop(image: Image.Image, rng: np.random.Generator, share: float) -> Image.Image:
    """Keep a share of either side at a random place, at the size of the whole."""
    width, height = (round(side * share) for side in image.size)
    x, y = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
    return image.crop((x, y, x + width, y + height)).resize(image.size, Image.Resampling.BICUBIC)


def _turned(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=_WHITE)


def _shifted(image: Image.Image) -> Image.Image:
    moved = Image.new("RGB", image.size, _WHITE)
    moved.paste(image, (4, 4))
    return moved


def _pasted(image: Image.Image, rng: np.random.Generator, ground: Image.Image) -> Image.Image:
    """The whole picture at half the ground's smaller side, at a random place on it."""
    scale = min(ground.size) / 2 / max(image.size)
    small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    x, y = (int(rng.integers(wide - side + 1)) for wide, side in zip(ground.size, small.size, strict=True))
    onto = ground.copy()
    onto.paste(small, (x, y))
    return onto


_TRANSFORMS: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "identical": lambda image, rng: image,
    "jpeg 30": lambda image, rng: _jpeg(image),
    "noise": _noise,
    "grey": lambda image, rng: image.convert("L").convert("RGB"),
    "blur": lambda image, rng: _blur(image),
    "colour jitter": _jitter,
    "text": lambda image, rng: _text(image),
    "crop 90": lambda image, rng: _crop(image, rng, 0.9),
    "crop 75": lambda image, rng: _crop(image, rng, 0.75),
    "crop 50": lambda image, rng: _crop(image, rng, 0.5),
    "mirror": lambda image, rng: ImageOps.mirror(image),
    "turn 5": lambda image, rng: _turned(image, 5),
    "turn 15": lambda image, rng: _turned(image, 15),
    "turn 90": lambda image, rng: image.transpose(Image.Transpose.ROTATE_90),
    "invert": lambda image, rng: ImageOps.invert(image),
    "mirror, crop 90, jpeg": lambda image, rng: _jpeg(_crop(ImageOps.mirror(image), rng, 0.9), 50),
    "shift 4 px": lambda image, rng: _shifted(image),
}
TRANSFORMS = (*_TRANSFORMS, "pasted in")
"""Names of the eighteen."""
