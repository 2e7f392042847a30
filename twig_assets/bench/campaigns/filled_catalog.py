"""A catalog as it is after many batches: rows as the pipeline writes them, inserted in bulk."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from twig_assets.bench.campaigns.workspace import Location, Workspace, materialize
from twig_assets.campaign import Campaign, load_campaign
from twig_assets.campaign.rules_in_force import generated_settings, regenerated_settings, rules_in_force, segmenter_name
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import (
    Adherence,
    Audit,
    AuditMatch,
    Image,
    Mask,
    Prompt,
    PromptBatch,
    Reference,
    Release,
    Review,
    utc_now,
)
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.audit_rows import policy_row
from twig_assets.compliance.candidates import attempt_seed
from twig_assets.judge.shown import Shown
from twig_assets.judge.vocabulary import Asked
from twig_assets.prompts import batches, read_prompts
from twig_assets.settings.home import artifact_root, catalog_url
from twig_assets.similarity import read_policy
from twig_assets.similarity.versions import library_versions

PER_BATCH = 50
# Of the judge of adherence, so that no plain draws are needed for one.
THRESHOLD = 0.05
# Shares of the prompts.
QUARANTINED, WAIVED = 0.01, 0.002
_ROWS_PER_INSERT = 5000
SCORES = {
    "ssim": 0.2,
    "iw_ssim": 0.1,
    "masked_ssim": 0.1,
    "masked_iw_ssim": 0.1,
    "hog_cosine": 0.4,
    "edges_cosine": 0.3,
    "pdq_distance": 110,
    "sift_inliers": 0,
    "alignment_strength": 0.0,
    "sscd_cosine": None,
    "contrast": 60.0,
    "mask_pixels": 900,
}


def fill(workspace: Workspace, location: Location, count: int, quarantined: float = QUARANTINED) -> None:
    """Write `count` batches of PER_BATCH prompts that are drawn, audited and released.

    Every prompt has a generated and a regenerated image with a mask each, an audit of either with five matches, a
    verdict that either is as asked, and a release; the share `quarantined` is quarantined instead. A five-hundredth of
    all is waived by a person. Model, corpus and policy are real. All images but those that failed are one file. The
    rows are not in the ledger. A catalog may be filled for several campaigns, one after another, and for nothing else.
    """
    workspace.write("campaign.yaml", {"title": "Many", "batch_size": PER_BATCH, "max_attempts": 1})
    workspace.write("concepts.yaml", [])
    workspace.write("policy.yaml", {"ssim_threshold": 0.5, "adherence": {"threshold": THRESHOLD}})
    workspace.protect(8)
    lines = "\n".join(f"thing number {n}" for n in range(count * PER_BATCH))
    (workspace.campaign / "prompts.csv").write_text(f"text\n{lines}\n", encoding="utf-8")
    materialize(location, ["protected_concepts", "reference_corpus"], workspace.name)
    materialize(location, ["composed_model"], workspace.name)
    campaign = load_campaign(workspace.name, workspace.root)
    with open_catalog(catalog_url()).session() as session:
        keys = _insert_prompts(session, workspace)
        plan = _plan(session, workspace.name, quarantined)
        _insert_images(session, campaign, plan)
        _insert_audits(session, campaign, plan)
        _insert_adherence(session, campaign, plan)
        _insert_releases(session, plan)
    location[0].add_dynamic_partitions("prompt_batches", keys)


@dataclass(frozen=True)
class _Plan:
    """What becomes of the prompts. The images of prompt p have the ids 2p - 1 (generated) and 2p (regenerated).

    Attributes:
        prompts: Rows with `id` and `seed`.
        failed: Ids of the regenerated images that fail.
        waived: Those of them that a person waives.
    """

    prompts: Sequence[Any]
    failed: set[int]
    waived: set[int]

    @property
    def images(self) -> list[int]:
        """The ids of all images, generated and regenerated in turn."""
        return [2 * row.id - back for row in self.prompts for back in (1, 0)]


def _plan(session: Session, campaign: str, share: float) -> _Plan:
    of_campaign = select(Prompt.id, Prompt.seed).join(PromptBatch).where(PromptBatch.campaign == campaign)
    prompts = session.execute(of_campaign.order_by(Prompt.id)).all()
    quarantined = [row.id for row in prompts[:: round(1 / share)]]
    waived = {2 * key for key in quarantined[:: round(share / WAIVED)]}
    return _Plan(prompts, {2 * key for key in quarantined}, waived)


def _insert(session: Session, table: type[Any], rows: Iterable[dict[str, Any]]) -> None:
    remaining = iter(rows)
    while chunk := list(islice(remaining, _ROWS_PER_INSERT)):
        session.execute(insert(table), chunk)


def _insert_prompts(session: Session, workspace: Workspace) -> list[str]:
    keyed = batches(read_prompts(workspace.campaign), workspace.name, PER_BATCH)
    _insert(session, PromptBatch, ({"key": key, "campaign": workspace.name} for key, _ in keyed))
    _insert(
        session,
        Prompt,
        (
            {
                "batch_key": key,
                "position": n,
                "text": row.text,
                "seed": row.seed,
                "sha256": sha256_of({"text": row.text, "seed": row.seed}),
            }
            for key, rows in keyed
            for n, row in enumerate(rows)
        ),
    )
    return [key for key, _ in keyed]


def _insert_images(session: Session, campaign: Campaign, plan: _Plan) -> None:
    model, rules = rules_in_force(session, campaign)
    store = ArtifactStore(artifact_root())
    rng = np.random.default_rng(0)
    mask = store.put_image(np.ones((64, 64), bool))
    # A person's decision holds for all images of the same bytes, so those that a person decides about have their own.
    common, *own = (_random_image(store, rng) for _ in range(1 + len(plan.failed)))
    files = dict(zip(sorted(plan.failed), own, strict=True))
    settings = {"generated": generated_settings(campaign), "regenerated": regenerated_settings(campaign, 0)}

    def image(prompt: Any, stage: str) -> dict[str, Any]:
        number = 2 * prompt.id - (stage == "generated")
        return {
            "id": number,
            "sha256": files.get(number, common),
            "prompt_id": prompt.id,
            "stage": stage,
            "attempt": 0,
            "seed": attempt_seed(prompt.seed, stage, 0),
            "model_id": model.id,
            "parent_id": None if stage == "generated" else number - 1,
            "settings": settings[stage],
            "settings_sha256": rules.settings_sha256(stage, 0),
            "run_id": "filled",
        }

    _insert(session, Image, (image(row, stage) for row in plan.prompts for stage in settings))
    segmenter = segmenter_name(campaign)
    masks = (
        {"image_id": number, "segmenter": segmenter, "outcome": "ok", "area": 0.3, "sha256": mask}
        for number in plan.images
    )
    _insert(session, Mask, masks)


def _random_image(store: ArtifactStore, rng: np.random.Generator) -> str:
    return store.put_image(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))


def _insert_audits(session: Session, campaign: Campaign, plan: _Plan) -> None:
    _, rules = rules_in_force(session, campaign)
    policy = read_policy(campaign.policy_file)
    of_campaign = select(Reference.id).where(Reference.campaign == campaign.name)
    works = session.scalars(of_campaign.order_by(Reference.id)).all()
    common = {
        "policy_id": policy_row(session, policy).id,
        "corpus_version_id": rules.corpus_id,
        "scores": SCORES,
        "thresholds": policy.model_dump(mode="json"),
        "versions": library_versions(),
        "run_id": "filled",
        "nearest_reference_id": works[0],
    }
    audits = (
        {
            **common,
            "id": number,
            "image_id": number,
            "verdict": "fail" if number in plan.failed else "pass",
            "reasons": ["inserted by the benchmark"],
        }
        for number in plan.images
    )
    _insert(session, Audit, audits)
    matches = (
        {"audit_id": number, "reference_id": work, "rank": rank, "scores": {"ssim": 0.2}, "transform": "identity"}
        for number in plan.images
        for rank, work in enumerate(works[:5], start=1)
    )
    _insert(session, AuditMatch, matches)


def _insert_adherence(session: Session, campaign: Campaign, plan: _Plan) -> None:
    _, rules = rules_in_force(session, campaign)
    shown = Shown(Asked(("thing",)), own=0.3, other=0.2, taken_for="thing")
    verdicts = (
        {
            "image_id": number,
            "judge_sha256": rules.judge_sha256,
            "verdict": "as_asked",
            "reason": "inserted by the benchmark",
            "score": shown.margin,
            "threshold": rules.threshold,
            "subject": "thing",
            "taken_for": "thing",
            "scores": shown.as_scores(),
            "run_id": "filled",
        }
        for number in plan.images
    )
    _insert(session, Adherence, verdicts)


def _insert_releases(session: Session, plan: _Plan) -> None:
    waivers = (
        Review(audit_id=number, decision="waive", who="a person", why="our own work") for number in sorted(plan.waived)
    )
    session.add_all(waivers)
    session.flush()
    _insert(session, Release, _releases(plan))


def _releases(plan: _Plan) -> Iterator[dict[str, Any]]:
    quarantined = plan.failed - plan.waived
    for number in plan.images[1::2]:
        if number not in quarantined:
            yield {"prompt_id": number // 2, "image_id": number, "audit_id": number, "released_at": utc_now()}
