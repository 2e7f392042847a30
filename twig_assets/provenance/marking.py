"""Writing a campaign's watermark before its images are audited, so that what is audited is what is published."""

from pathlib import Path
from typing import Any

import numpy as np

from twig_assets.compliance.attempts.batch import Marked, Marker
from twig_assets.provenance.keys.places import keys_folder
from twig_assets.provenance.readers import watermark_of
from twig_assets.provenance.watermark import Watermark, WatermarkError, WatermarkKey
from twig_assets.provenance.watermark.key import FILE, marking_key
from twig_assets.provenance.watermark.protocol import psnr
from twig_assets.settings.watermark import WatermarkSettings
from twig_assets.similarity import read_part


def marker(policy_file: Path) -> Marker:
    """What marks the images of a campaign; one that leaves them as they are where the policy or the key is missing.

    Raises:
        WatermarkError: If the policy asks for a mark always and there is no key, or the key or a network cannot be
            used.
        PolicyError: If the policy cannot be read.
    """
    settings = read_part(policy_file, WatermarkSettings)
    key = None if settings.use == "never" else marking_key(keys_folder())
    if key is not None:
        return _Marking(watermark_of(key, settings.network), key, strict=settings.use == "always")
    if settings.use == "always":
        raise WatermarkError(
            f"{policy_file}: watermark.use is always, and there is no key in {keys_folder() / FILE}; make one with "
            f"`twig keys create`, or put `with_key` there"
        )
    return Marked


class _Marking:
    """Marks with one watermark. The payload follows from the picture, so drawing again gives the same bytes."""

    def __init__(self, watermark: Watermark, key: WatermarkKey, strict: bool) -> None:
        self._watermark, self._key, self._strict = watermark, key, strict

    def __call__(self, pixels: np.ndarray) -> Marked:
        payload = self._key.payload(str(pixels.shape).encode() + pixels.tobytes())
        try:
            marked = self._watermark.embed(pixels, payload)
        except WatermarkError:
            if self._strict:
                raise
            return Marked(pixels)
        row: dict[str, Any] = {
            "payload": payload.hex(),
            "method": self._watermark.method,
            "key_id": self._watermark.key_id,
            "psnr": round(min(psnr(pixels, marked), 99.0), 2),
        }
        return Marked(marked, row)
