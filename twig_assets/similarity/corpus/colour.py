"""Pixels of every kind as a screen shows them: 8 bits, red, green and blue in sRGB, and what is transparent."""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

_HIDDEN_SHARE = 16
"""Values that use less than this part (1 / 16) of their range, but for a few, are scaled without the few."""

_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_INVISIBLE = 2
"""A profile that changes no colour by more grey levels than this is sRGB itself, whatever it is called."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame, page or picture of a file, upright.

    Attributes:
        image: Its pixels in whatever mode the file has them.
        profile: Its ICC profile; None if it has none.
        bits: Bits per channel, as far as known.
        unsigned: Whether values of 32 bits have no sign.
        white_is_zero: Whether small values are bright.
        notes: What was done to it already, in words.
    """

    image: Image.Image
    profile: bytes | None = None
    bits: int = 8
    unsigned: bool = False
    white_is_zero: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Colours:
    """Pixels as a screen shows them.

    Attributes:
        rgb: The colours, an image of mode RGB.
        alpha: How opaque each pixel is, an image of mode L; None if all are opaque.
        notes: What was done to them, in words.
    """

    rgb: Image.Image
    alpha: Image.Image | None
    notes: tuple[str, ...]


def as_seen(frame: Frame) -> Colours:
    """Turn a frame into 8-bit sRGB and its transparency.

    Args:
        frame: A frame that was loaded.
    """
    image, notes = frame.image, list(frame.notes)
    alpha = None
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        if frame.unsigned and values.dtype == np.int32:
            values = values.view(np.uint32)
        hidden = image.info.get("transparency")
        if isinstance(hidden, int):
            alpha = Image.fromarray(np.where(values == hidden, 0, 255).astype(np.uint8))
        grey, note = scaled(values)
        notes.append(note)
        image = Image.fromarray(255 - grey if frame.white_is_zero else grey)
    elif image.has_transparency_data:
        layers = image.convert("RGBA")
        alpha = layers.getchannel("A")
        image = image.convert("L") if image.mode in ("LA", "La") else layers.convert("RGB")
    if frame.bits == 16 and not frame.image.mode.startswith("I"):
        notes.append("16 bits are reduced to 8")
    if alpha is not None and alpha.getextrema()[0] == 255:
        alpha = None
    rgb, note = _in_srgb(image, frame.profile)
    return Colours(rgb, alpha, (*notes, note) if note else tuple(notes))


def scaled(values: np.ndarray) -> tuple[np.ndarray, str]:
    """Values of any kind as 8 bits.

    16 bits without a sign keep their brightness, 0 to 65,535, unless not even a sixteenth of the range is used, as by
    cameras of 10 or 12 bits. Floats between 0 and 1 do likewise. All others are stretched from their smallest to their
    largest value; few that lie far off the rest (hot pixels) are clipped. NaN is black.

    Args:
        values: Array of any shape, of integers or floats.

    Returns:
        uint8 array of the same shape, and in words what was done.
    """
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        if values.dtype.itemsize == 1:
            return values, ""
        used = int(values.max()).bit_length()
        white = 65535 if used > 12 or used == 0 else 2 ** max(used, 8) - 1
        note = "16 bits are reduced to 8" if white == 65535 else f"{max(used, 8)} of 16 bits are used, and scaled to 8"
        return (values.astype(np.float64) / (white / 255) + 0.5).astype(np.uint8), note
    kind = "floating point values" if values.dtype.kind == "f" else f"{8 * values.dtype.itemsize} bits"
    numbers = values.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if values.dtype.kind == "f" and low >= 0 and high <= 1 and (high > 1 / _HIDDEN_SHARE or high == low):
        low, high = 0.0, 1.0
    elif high > low:
        inner_low, inner_high = (float(value) for value in np.percentile(finite, (0.1, 99.9)))
        if 0 < inner_high - inner_low < (high - low) / _HIDDEN_SHARE:
            low, high = inner_low, inner_high
    span = high - low if high > low else 1.0
    clipped = np.nan_to_num(numbers, nan=low, posinf=high, neginf=low).clip(low, high)
    grey = ((clipped - low) / span * 255 + 0.5).astype(np.uint8)
    return grey, f"{kind} are scaled from {low:.6g} to {high:.6g}"


def _in_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """An image in sRGB, and in words what was done, if anything."""
    if image.mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB")
        return ImageCms.applyTransform(image, transform) or image.convert("RGB"), "Lab colours are converted to sRGB"
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    without = "CMYK is converted without a colour profile" if image.mode == "CMYK" else ""
    if not profile:
        return image.convert("RGB"), without
    try:
        # A grey picture may keep the profile of the coloured one that it was made of.
        coloured = image.mode == "L" and profile[16:20] == b"RGB "
        image = image.convert("RGB") if coloured else image
        conversion = _conversion(profile, image.mode)
        if conversion is None:
            return image.convert("RGB"), ""
        transform, name = conversion
        turned = ImageCms.applyTransform(image, transform)
        assert turned is not None
        return turned, f"colours are converted from its profile ({name}) to sRGB"
    except Exception as error:  # whatever a broken profile makes the library trip over
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        passed_over = f"its colour profile cannot be used ({reason}) and is passed over"
        return image.convert("RGB"), f"{without}; {passed_over}" if without else passed_over


@lru_cache(maxsize=8)
def _conversion(profile: bytes, mode: str) -> tuple[ImageCms.ImageCmsTransform, str] | None:
    """The way from a profile to sRGB and the profile's name; None if it is sRGB itself."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space
    if _SPACES.get(space) != mode:
        raise ValueError(f"it is for {space.strip()}, the picture is {mode}")
    transform = ImageCms.buildTransform(
        source,
        _srgb(),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    name = " ".join(ImageCms.getProfileDescription(source).split())
    name = "".join(character for character in name if character.isprintable())[:60] or "unnamed"
    if mode == "RGB":
        levels = np.linspace(0, 255, 9).astype(np.uint8)
        cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
        turned = ImageCms.applyTransform(Image.fromarray(cube), transform)
        if np.abs(np.asarray(turned).astype(int) - cube).max() <= _INVISIBLE:
            return None
    return transform, name


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
