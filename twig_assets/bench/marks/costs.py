"""What marking and signing cost, beside the drawing."""

import os
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from PIL import Image

from twig_assets.bench.marks.released import file_of, marked
from twig_assets.provenance.keys import create_test_keys
from twig_assets.provenance.keys.management import ready_keys
from twig_assets.provenance.manifest import Claim
from twig_assets.provenance.pixels import pixels_sha256
from twig_assets.provenance.signing import sign_picture
from twig_assets.provenance.statement import AuditPart, ModelPart, PromptPart, ReleaseStatement

SIDE = 512


def sign_ms(pictures: Sequence[np.ndarray]) -> float:
    """Processor time of signing a picture and reading its credential again, the median in ms, with a test key.

    Args:
        pictures: uint8 (h, w, 3); the first is signed once more before, to open libraries.
    """
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("TWIG_KEYS")
        os.environ["TWIG_KEYS"] = folder
        try:
            create_test_keys(days=1)
            identity = ready_keys(None).identity
            spent = []
            for picture in [pictures[0], *pictures]:
                data = file_of(picture)
                started = time.process_time()
                sign_picture(data, _claim(data), identity)
                spent.append(1000 * (time.process_time() - started))
        finally:
            os.environ.pop("TWIG_KEYS")
            if before is not None:
                os.environ["TWIG_KEYS"] = before
    return float(np.median(spent[1:]))


def mark_ms(pictures: Sequence[np.ndarray]) -> float:
    """Processor time of marking a picture, the mean in ms."""
    marked(pictures[0])
    started = time.process_time()
    for picture in pictures:
        marked(picture)
    return 1000 * (time.process_time() - started) / len(pictures)


def enlarged(picture: np.ndarray) -> np.ndarray:
    """A picture at SIDE x SIDE."""
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _claim(data: bytes) -> Claim:
    now = datetime.now(UTC).replace(microsecond=0)
    nothing = "0" * 64
    statement = ReleaseStatement(
        campaign="marks",
        image_sha256=nothing,
        pixels_sha256=pixels_sha256(data),
        prompt=PromptPart(sha256=nothing),
        seed=1,
        model=ModelPart(name="embedded", sha256=nothing, base_sha256=nothing),
        audit=AuditPart(
            verdict="pass", policy_sha256=nothing, corpus_sha256=nothing, works=1, nearest={"ssim": 0.2}, audited_at=now
        ),
        terms="as_asked",
        signed_at=now,
    )
    return Claim(title="marks.png", generator="embedded", statement=statement, do_not_train=True)
