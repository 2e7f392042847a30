"""A catalog of marked releases, which `twig whence` is asked about as users ask it."""

import io
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from pydantic import SecretBytes

from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import (
    Audit,
    CorpusVersion,
    Image,
    Model,
    PolicyRow,
    Prompt,
    PromptBatch,
    Release,
    Watermark,
)
from twig_assets.catalog.store import ArtifactStore
from twig_assets.provenance.fingerprints import ReleaseIndex
from twig_assets.provenance.watermark import LatticeWatermark, WatermarkKey
from twig_assets.provenance.watermark.protocol import psnr
from twig_assets.provenance.whence import Whence

KEY = WatermarkKey(SecretBytes(b"benchmark of marks, not a secret"))
_BATCH = "marks-000"


def marked(pixels: np.ndarray) -> np.ndarray:
    """A picture with the watermark of KEY, as a release gets it."""
    return LatticeWatermark(KEY).embed(pixels, _payload(pixels))


def release(folder: Path, originals: list[np.ndarray]) -> list[np.ndarray]:
    """Fill a catalog and a store with marked releases.

    Args:
        folder: Where; it is empty.
        originals: What was drawn.

    Returns:
        The marked pictures, in the same order.
    """
    catalog, store = open_catalog(f"sqlite:///{folder}/catalog.db"), ArtifactStore(str(folder / "artifacts"))
    pictures = [marked(original) for original in originals]
    with catalog.session() as session:
        model = Model(sha256="a" * 64, checkpoint="embedded", base_sha256="b" * 64, edits=[])
        policy, corpus = (
            PolicyRow(sha256="c" * 64, body={}),
            CorpusVersion(campaign="marks", sha256="d" * 64, members=[]),
        )
        session.add_all([PromptBatch(key=_BATCH, campaign="marks"), model, policy, corpus])
        session.flush()
        for number, (original, picture) in enumerate(zip(originals, pictures, strict=True)):
            prompt = Prompt(batch_key=_BATCH, position=number, text=f"release {number}", seed=number, sha256="e" * 64)
            session.add(prompt)
            session.flush()
            image = Image(
                sha256=store.put_image(picture),
                prompt_id=prompt.id,
                stage="generated",
                attempt=0,
                seed=number,
                model_id=model.id,
                settings={},
                settings_sha256="f" * 64,
                run_id="bench",
            )
            mark = Watermark(
                image=image,
                payload=_payload(original).hex(),
                method=LatticeWatermark.method,
                key_id=KEY.id,
                psnr=psnr(original, picture),
            )
            audit = Audit(
                image=image,
                policy=policy,
                corpus_version=corpus,
                verdict="pass",
                reasons=[],
                scores={},
                thresholds={},
                versions={},
                run_id="bench",
            )
            session.add_all([image, mark, audit])
            session.flush()
            session.add(Release(prompt_id=prompt.id, image_id=image.id, audit_id=audit.id))
    with catalog.snapshot() as session:
        ReleaseIndex(folder / "releases").add_missing(session, store)
    catalog.close()
    return pictures


def whence(folder: Path) -> Whence:
    """What answers for the releases in a folder."""
    return Whence(
        open_catalog(f"sqlite:///{folder}/catalog.db"),
        ArtifactStore(str(folder / "artifacts")),
        folder / "campaigns",
        [LatticeWatermark(KEY)],
        ReleaseIndex(folder / "releases"),
    )


def file_of(pixels: np.ndarray) -> bytes:
    """A picture as a file of another program: the pixels of a PNG without any header of ours."""
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _payload(pixels: np.ndarray) -> bytes:
    return KEY.payload(pixels.tobytes())
