"""Pictures, chains of certificates and claims for the tests of credentials."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

from twig_assets.provenance.keys.identity import Identity, sign_with
from twig_assets.provenance.keys.issuing import Wanted, issue
from twig_assets.provenance.statement import (
    AuditPart,
    EditPart,
    LedgerPart,
    ModelPart,
    PromptPart,
    RegenerationPart,
    ReleaseStatement,
)

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
FORMATS = {"PNG": {}, "JPEG": {}, "WEBP": {"lossless": True}, "AVIF": {}, "TIFF": {}}


def picture(kind: str = "PNG", seed: int = 0, **options: Any) -> bytes:
    """A small picture of blocks, 48 by 32."""
    blocks = np.random.default_rng(seed).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(np.kron(blocks, np.ones((8, 8, 1), np.uint8)))
    image.save(buffer, kind, **{**FORMATS[kind], **options})
    return buffer.getvalue()


def pixels(data: bytes) -> np.ndarray:
    """The pixels of a picture's bytes."""
    return np.array(Image.open(io.BytesIO(data)))


class Chain:
    """A root and a certificate of it, with their keys."""

    def __init__(self, *, start: datetime = NOW - DAY, end: datetime = NOW + DAY, name: str = "test signer") -> None:
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = issue(Wanted("test root", NOW - DAY, NOW + DAY, ca=True), self.root_key, self.root_key, None)
        self.leaf = issue(Wanted(name, start, end), self.key, self.root_key, self.root)

    @property
    def identity(self) -> Identity:
        return self.identity_with(self.leaf)

    def identity_with(self, leaf: x509.Certificate) -> Identity:
        return Identity((leaf, self.root), lambda data: sign_with(self.key, data))

    def issued(self, wanted: Wanted, key: ec.EllipticCurvePrivateKey | None = None) -> x509.Certificate:
        return issue(wanted, key or self.key, self.root_key, self.root)


def statement(**changes: Any) -> ReleaseStatement:
    """What a release might say about itself."""
    sha = "ab" * 32
    fields: dict[str, Any] = {
        "campaign": "demo",
        "image_sha256": sha,
        "pixels_sha256": sha,
        "prompt": PromptPart(sha256=sha, text="a red boat"),
        "seed": 7,
        "model": ModelPart(
            name="embedded",
            sha256=sha,
            base_sha256=sha,
            edits=(EditPart(concept="pouting-cat", method="closed_form", weights_sha256=sha),),
        ),
        "regeneration": RegenerationPart(first_image_sha256="cd" * 32, attempt=0, settings_sha256=sha),
        "audit": AuditPart(
            verdict="pass", policy_sha256=sha, corpus_sha256=sha, works=3, nearest={"ssim": 0.21}, audited_at=NOW
        ),
        "adherence": "as_asked",
        "terms": "as_asked",
        "ledger": LedgerPart(audit_sequence=4, audit_sha256=sha, head_sequence=9, head_sha256=sha),
        "signed_at": NOW,
    }
    return ReleaseStatement(**{**fields, **changes})
