"""Our watermark: each measure of a picture is moved to the nearest point of a keyed lattice that stands for its bit.

Source: Chen and Wornell, "Quantization index modulation: a class of provably good methods for digital watermarking and
information embedding", IEEE Transactions on Information Theory 47(4), 2001 (dither modulation along spread directions).
It knows the picture that it marks, so that the picture's own detail is no noise to it; at 64 px that is what decides.
"""

from collections.abc import Collection
from functools import lru_cache

import numpy as np

from twig_assets.provenance.watermark.error_correction import (
    LENGTH,
    KeyedCode,
    agreement,
    chance,
    least_agreement,
)
from twig_assets.provenance.watermark.key import WatermarkKey
from twig_assets.provenance.watermark.patterns import CANVAS, canvas_of, measured, patterns, summed
from twig_assets.provenance.watermark.protocol import PAYLOAD_BYTES, Reading, WatermarkError, psnr
from twig_assets.similarity.orientations import ORIENTATIONS, oriented

LEAST_SIDE = 48
"""Below, in pixels, a picture has no room for 48 bits that survive anything."""

STEP = 36.0
"""The lattice's step on the canvas when the picture allows all of it; a picture's own step may be down to a third."""

_ROUNDS, _CLOSE = 12, 0.04
_GAINS = np.exp(np.arange(-0.5, 1.101, 0.02)).astype(np.float32)
_WORTH_DECODING, _DECODED = 0.57, 3
_UNKNOWN = 1 << (8 * PAYLOAD_BYTES)


class LatticeWatermark:
    """The watermark of a key; see `Watermark`."""

    method = "lattice-1"

    def __init__(self, key: WatermarkKey) -> None:
        """Draw patterns, lattice and code from the key."""
        self.key_id = key.id
        self._patterns, self._offsets, self._code = _drawn(key.id, key)

    def embed(self, pixels: np.ndarray, payload: bytes, least_psnr: float | None = None) -> np.ndarray:
        """See `Watermark.embed`.

        Args:
            pixels: uint8 (H, W, 3), LEAST_SIDE at least on either side.
            payload: PAYLOAD_BYTES bytes.
            least_psnr: In dB; by default see `usual_psnr`. The step becomes smaller until the picture keeps it.
        """
        if min(pixels.shape[:2]) < LEAST_SIDE:
            height, width = pixels.shape[:2]
            raise WatermarkError(f"{width} x {height} px is too small for a watermark: {LEAST_SIDE} px are needed")
        wanted = usual_psnr(pixels) if least_psnr is None else least_psnr
        bits = self._code.words(np.frombuffer(payload, np.uint8)[None])[0] < 0
        step = min(STEP, STEP * 10 ** ((39.0 - wanted) / 20))
        while True:
            marked = self._moved(pixels, bits, step)
            reached = psnr(pixels, marked)
            if reached >= wanted or step < STEP / 64:
                return marked
            step *= min(0.97, 10 ** ((reached - wanted) / 20))

    def _moved(self, pixels: np.ndarray, bits: np.ndarray, step: float) -> np.ndarray:
        """The picture with its measures at lattice points, as far as 0 to 255 allows."""
        measures = measured(canvas_of(pixels), self._patterns)
        shifts = (self._offsets + 0.5 * bits) * step
        aims = shifts + step * np.round((measures - shifts) / step)
        change = np.zeros((CANVAS, CANVAS), np.float32)
        marked = pixels
        for _ in range(_ROUNDS):
            left = aims - measured(canvas_of(marked), self._patterns)
            if np.abs(left).max() < _CLOSE * step:
                break
            # White and black cannot give way in one direction; what is cut off there is asked of their neighbours.
            change += summed(left, self._patterns)
            marked = _added(pixels, change)
        return marked

    def read(self, pixels: np.ndarray, known: Collection[bytes] = ()) -> Reading | None:
        """See `Watermark.read`: in eight orientations, inverted or not, and whatever became of the contrast."""
        canvases = np.stack([canvas_of(oriented(pixels, name)) for name in ORIENTATIONS])
        names = ["as it is" if name == "identity" else name for name in ORIENTATIONS]
        return self.read_canvases(canvases, names, known)

    def read_canvases(
        self, canvases: np.ndarray, names: list[str], known: Collection[bytes] = (), weights: np.ndarray | None = None
    ) -> Reading | None:
        """The surest reading of some hypotheses of what was marked.

        Args:
            canvases: float32 (n, CANVAS, CANVAS): luma, 0 to 255.
            names: What each hypothesis is, for a person.
            known: See `Watermark.read`.
            weights: float32 (n, LENGTH), how much of each measure's cell is there, 0 to 1; all of it by default.
        """
        gains = np.concatenate([_GAINS, -_GAINS])
        measures = measured(canvases, self._patterns)
        soft = np.cos(2 * np.pi * (measures[:, None] * (gains[:, None] / STEP) - self._offsets), dtype=np.float32)
        if weights is not None:
            soft *= weights[:, None]
        soft = soft.reshape(-1, LENGTH)
        reading = self._best(soft, known) if known else None
        reading = reading or self._decoded(soft)
        if reading is None:
            return None
        row, payload, risk = reading
        name = names[row // len(gains)]
        inverted = row % len(gains) >= len(_GAINS)
        return Reading(payload, risk, f"{name}, inverted" if inverted else name)

    def _best(self, soft: np.ndarray, known: Collection[bytes]) -> tuple[int, bytes, float] | None:
        """Which hypothesis and which of the known payloads agree best, if that is no chance."""
        payloads = sorted(known)
        words = self._code.words(np.frombuffer(b"".join(payloads), np.uint8).reshape(-1, PAYLOAD_BYTES))
        agreements = agreement(soft, words)
        row, column = np.unravel_index(int(agreements.argmax()), agreements.shape)
        best = float(agreements[row, column])
        if best < least_agreement(len(payloads), len(soft)):
            return None
        return int(row), payloads[int(column)], chance(best, len(payloads), len(soft))

    def _decoded(self, soft: np.ndarray) -> tuple[int, bytes, float] | None:
        """The payload that is read where nothing is known, if that is no chance."""
        # Values near the lattice's points are near 1 and -1; by chance their squares have a mean of a half.
        pointed = (soft * soft).mean(axis=1)
        for row in np.argsort(-pointed, kind="stable")[:_DECODED]:
            if pointed[row] < _WORTH_DECODING:
                return None
            payload = self._code.decode(soft[row])
            words = self._code.words(np.frombuffer(payload, np.uint8)[None])
            reached = float(agreement(soft[row : row + 1], words)[0, 0])
            if reached >= least_agreement(_UNKNOWN, len(soft)):
                return int(row), payload, chance(reached, _UNKNOWN, len(soft))
        return None


def usual_psnr(pixels: np.ndarray) -> float:
    """How little a picture may be changed, in dB: 38.5 at 64 px and, since more of them help, 42.5 from 312 px on."""
    return float(np.clip(38.5 + 1.75 * np.log2(min(pixels.shape[:2]) / 64), 38.5, 42.5))


@lru_cache(maxsize=8)
def _drawn(key_id: str, key: WatermarkKey) -> tuple[np.ndarray, np.ndarray, KeyedCode]:
    """Patterns, offsets of the lattice in steps, float32 (LENGTH,), and code of a key."""
    offsets = np.frombuffer(key.stream("offsets", 8 * LENGTH), "<u8") / 2.0**64
    return patterns(key), offsets.astype(np.float32), KeyedCode(key)


def _added(pixels: np.ndarray, change: np.ndarray) -> np.ndarray:
    """A picture with a change of its luma, given on the canvas, rounded and held within 0 to 255."""
    import cv2

    height, width = pixels.shape[:2]
    same = (height, width) == change.shape
    grown = change if same else cv2.resize(change, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(np.rint(pixels + grown[..., None]), 0, 255), np.uint8)
