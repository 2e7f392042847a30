"""Fills a catalog as the pipeline would, with pictures that a test chooses and that are really audited."""

from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import generated_settings, regenerated_settings
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import (
    Adherence,
    Audit,
    AuditMatch,
    CorpusVersion,
    Image,
    JudgeCalibration,
    Mask,
    Model,
    PolicyRow,
    Prompt,
    PromptBatch,
    Reference,
    Release,
)
from twig_assets.catalog.store import ArtifactStore
from twig_assets.judge.identity import judge_sha256
from twig_assets.judge.verdict import threshold_of
from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import STYLES, sprites, view
from twig_assets.similarity import ReferenceImage, audit, corpus_version, read_policy, read_references
from twig_assets.similarity.verdicts.policy import policy_model

MARGINS = [0.02 * step for step in range(1, 41)]
# What a verdict on adherence rests on: margin, what was asked for, what the image is taken for.
SHOWN = {
    "as_asked": (0.31, "owl", "owl"),
    "not_as_asked": (-0.2, "owl", "red apple"),
    "cannot_tell": (None, None, "owl"),
}
REASONS = {
    "as_asked": "asked for owl: +0.310, at least +0.140",
    "not_as_asked": "asked for owl, looks more like red apple: -0.200, below +0.140",
    "cannot_tell": "cannot tell: the judge knows none of its words",
}
DEMO = Path(__file__).parents[3] / "campaigns" / "demo"


class Filler:
    """Writes what the pipeline would write, for pictures that the test chooses.

    Attributes:
        session: Open session of an empty catalog.
        store: An empty artifact store.
        campaign: The campaign whose rows are written.
    """

    def __init__(self, session: Session, store: ArtifactStore, campaign: Campaign) -> None:
        """Write the batch, the model, the corpus and the policy."""
        self.session, self.store, self.campaign = session, store, campaign
        self.corpus, _ = read_references(DEMO / "references")
        self.policy = read_policy(DEMO / "policy.yaml")
        self.model = Model(sha256="a" * 64, checkpoint="embedded", base_sha256="b" * 64, edits=[])
        hashes = [one.sha256 for one in self.corpus]
        self.version = CorpusVersion(campaign=campaign.name, sha256=corpus_version(hashes), members=sorted(hashes))
        self.policy_row = PolicyRow(sha256=self.policy.sha256, body=self.policy.model_dump())
        self.references = {one.sha256: self._reference(one) for one in self.corpus}
        batch = PromptBatch(key=f"{campaign.name}-000", campaign=campaign.name)
        self.judge = JudgeCalibration(
            judge_sha256=judge_sha256("embedded"), base_sha256="b" * 64, margins=MARGINS, source="40 plain draws"
        )
        session.add_all([self.judge, self.model, self.version, self.policy_row, batch, *self.references.values()])
        session.flush()
        self._prompts = 0

    def _reference(self, one: ReferenceImage) -> Reference:
        return Reference(
            campaign=self.campaign.name,
            sha256=one.sha256,
            title=one.title,
            rights_holder=one.rights_holder,
            licence=one.licence,
            file=one.path.name,
        )

    def prompt(self, text: str) -> Prompt:
        """Add a prompt."""
        row = Prompt(
            batch_key=f"{self.campaign.name}-000",
            position=self._prompts,
            text=text,
            seed=1,
            sha256=f"{self._prompts:064d}",
        )
        self._prompts += 1
        self.session.add(row)
        self.session.flush()
        return row

    def image(
        self,
        prompt: Prompt,
        pixels: np.ndarray,
        stage: str = "generated",
        attempt: int = 0,
        parent: Image | None = None,
        applied: dict[str, object] | None = None,
    ) -> Image:
        """Add an image of uint8 (H, W, 3), perhaps with what was applied to its rerun."""
        first = stage == "generated"
        settings = generated_settings(self.campaign) if first else regenerated_settings(self.campaign, attempt)
        row = Image(
            sha256=self.store.put_image(pixels),
            prompt_id=prompt.id,
            stage=stage,
            attempt=attempt,
            seed=prompt.seed + attempt,
            model_id=self.model.id,
            parent_id=parent.id if parent else None,
            settings={**settings, **({"applied": applied} if applied else {})},
            settings_sha256=sha256_of(settings),
            run_id="run",
        )
        self.session.add(row)
        self.session.flush()
        return row

    def mask(self, image: Image, mask: np.ndarray) -> Mask:
        """Add a mask of bool (H, W)."""
        area = float(mask.mean())
        row = Mask(image_id=image.id, segmenter="embedded", outcome="ok", area=area, sha256=self.store.put_image(mask))
        self.session.add(row)
        self.session.flush()
        return row

    def adherence(self, image: Image, verdict: str, score: float | None = None) -> Adherence:
        """Say whether an image shows its prompt, with another score than usual if one is given."""
        usual, subject, taken_for = SHOWN[verdict]
        row = Adherence(
            image_id=image.id,
            judge_sha256=self.judge.judge_sha256,
            verdict=verdict,
            reason=REASONS[verdict],
            score=usual if score is None else score,
            threshold=threshold_of(MARGINS, 0.15),
            subject=subject,
            taken_for=taken_for,
            scores={},
            run_id="run",
        )
        self.session.add(row)
        self.session.flush()
        return row

    def audit(
        self,
        image: Image,
        mask: np.ndarray | None = None,
        policy: PolicyRow | None = None,
        shows: str | None = "as_asked",
    ) -> Audit:
        """Audit an image with the real audit and write the result, under another policy row if one is given.

        `shows` is the verdict on whether it shows its prompt; None leaves that open.
        """
        if shows:
            self.adherence(image, shows)
        rules = policy_model().model_validate(policy.body) if policy else self.policy
        pixels = self.store.read_image(image.sha256)[None]
        [result] = audit(pixels, self.corpus, rules, masks=None if mask is None else mask[None])
        row = Audit(
            image_id=image.id,
            policy_id=(policy or self.policy_row).id,
            corpus_version_id=self.version.id,
            verdict=result.verdict,
            reasons=result.reasons,
            nearest_reference_id=self.references[result.nearest.sha256].id if result.nearest else None,
            scores=result.scores,
            thresholds=result.thresholds,
            versions=result.versions,
            run_id="run",
        )
        self.session.add(row)
        self.session.flush()
        for match in result.matches:
            columns = ("reference_sha256", "rank", "transform")
            scores = {name: value for name, value in match.as_row().items() if name not in columns}
            reference_id = self.references[match.reference_sha256].id
            found = AuditMatch(audit_id=row.id, reference_id=reference_id, rank=match.rank, scores=scores)
            found.transform = match.transform
            self.session.add(found)
        self.session.flush()
        self.session.refresh(row)
        return row

    def release(self, image: Image, audit_row: Audit) -> Release:
        """Publish an image."""
        row = Release(prompt_id=image.prompt_id, image_id=image.id, audit_id=audit_row.id)
        self.session.add(row)
        self.session.flush()
        return row


def drawing(name: str, style: str = STYLES[0], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """An ordinary picture and its foreground: uint8 (64, 64, 3) and bool (64, 64)."""
    drawn = view(sprites()[name, style], np.random.default_rng(seed))
    return drawn.image, drawn.alpha > 127


def copied(slug: str, noise: float = 6.0, seed: int = 0) -> np.ndarray:
    """A planted work as the model would bring it back: the picture with some noise, uint8 (64, 64, 3)."""
    work = next(one for one in planted.WORKS if one.slug == slug)
    noisy = planted.picture(work) + np.random.default_rng(seed).normal(0, noise, (64, 64, 3))
    return noisy.clip(0, 255).astype(np.uint8)
