"""A catalog as it is after many batches: rows as the pipeline writes them, put there at once."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import dagster as dg
import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from twig_assets.bench.campaigns.workspace import NAME, Place, materialize
from twig_assets.campaign import load_campaign
from twig_assets.campaign.rules_in_force import generated_settings, regenerated_settings, rules_in_force, segmenter_name
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import (
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
from twig_assets.prompts import batches, read_prompts
from twig_assets.settings.home import artifact_root, catalog_url
from twig_assets.similarity import read_policy
from twig_assets.similarity.audit import library_versions

PER_BATCH = 50
# Of the prompts: quarantined, and let through by a person.
QUARANTINED, WAIVED = 0.01, 0.002
SCORES = {
    "ssim": 0.2,
    "masked_ssim": 0.1,
    "hog_cosine": 0.4,
    "pdq_distance": 110,
    "sift_inliers": 0,
    "alignment_strength": 0.0,
    "sscd_cosine": None,
    "contrast": 60.0,
    "mask_pixels": 900,
}


def fill(place: Place, found: tuple[dg.DagsterInstance, dg.Definitions], count: int) -> None:
    """Write `count` batches of PER_BATCH prompts that are drawn, audited and published.

    Every prompt has a first and a second image with a mask each, an audit of either with five matches, and a release;
    a hundredth is quarantined instead, and of those a fifth is let through by a person. Model, corpus and policy are
    real. All images but those last are one file. The rows are not in the ledger.
    """
    place.write("campaign.yaml", {"title": "Many", "batch_size": PER_BATCH, "max_attempts": 1})
    place.write("concepts.yaml", [])
    place.write("policy.yaml", {"ssim_threshold": 0.5})
    place.protect(8)
    lines = "\n".join(f"thing number {n}" for n in range(count * PER_BATCH))
    (place.campaign / "prompts.csv").write_text(f"text\n{lines}\n", encoding="utf-8")
    materialize(found, ["protected_concepts", "reference_corpus"])
    materialize(found, ["composed_model"])
    with open_catalog(catalog_url()).session() as session:
        keys = _prompts(session, place)
        _drawn(session, place)
    found[0].add_dynamic_partitions("prompt_batches", keys)


def _insert(session: Session, table: type[Any], rows: Iterable[dict[str, Any]]) -> None:
    left = iter(rows)
    while some := list(islice(left, 5000)):
        session.execute(insert(table), some)


def _prompts(session: Session, place: Place) -> list[str]:
    found = batches(read_prompts(place.campaign), NAME, PER_BATCH)
    _insert(session, PromptBatch, ({"key": key, "campaign": NAME} for key, _ in found))
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
            for key, rows in found
            for n, row in enumerate(rows)
        ),
    )
    return [key for key, _ in found]


def _drawn(session: Session, place: Place) -> None:
    campaign = load_campaign(NAME, place.root)
    model, rules = rules_in_force(session, campaign)
    policy = read_policy(campaign.policy_file)
    store = ArtifactStore(artifact_root())
    rng = np.random.default_rng(0)
    shape = store.put_image(np.ones((64, 64), bool))
    prompts = session.execute(select(Prompt.id, Prompt.seed).order_by(Prompt.id)).all()
    quarantined = [row.id for row in prompts[:: round(1 / QUARANTINED)]]
    waived = {2 * key for key in quarantined[:: round(QUARANTINED / WAIVED)]}
    # A person's decision holds for all images of the same bytes.
    common_picture, *own = (_picture(store, rng) for _ in range(1 + len(waived)))
    pictures = dict(zip(sorted(waived), own, strict=True))
    first, second = generated_settings(campaign), regenerated_settings(campaign, 0)

    def image(prompt: Any, stage: str, settings: dict[str, Any], parent: int | None) -> dict[str, Any]:
        number = 2 * prompt.id - (stage == "generated")
        return {
            "id": number,
            "sha256": pictures.get(number, common_picture),
            "prompt_id": prompt.id,
            "stage": stage,
            "attempt": 0,
            "seed": attempt_seed(prompt.seed, stage, 0),
            "model_id": model.id,
            "parent_id": parent,
            "settings": settings,
            "settings_sha256": rules.settings_sha256(stage, 0),
            "run_id": "filled",
            "adherence": 0.1,
        }

    numbers = [2 * row.id - back for row in prompts for back in (1, 0)]
    _insert(
        session,
        Image,
        (
            made
            for row in prompts
            for made in (image(row, "generated", first, None), image(row, "regenerated", second, 2 * row.id - 1))
        ),
    )
    _insert(
        session,
        Mask,
        (
            {"image_id": n, "segmenter": segmenter_name(campaign), "outcome": "ok", "area": 0.3, "sha256": shape}
            for n in numbers
        ),
    )
    works = session.scalars(select(Reference.id).order_by(Reference.id)).all()
    common = {
        "policy_id": policy_row(session, policy).id,
        "corpus_version_id": rules.corpus_id,
        "scores": SCORES,
        "thresholds": policy.model_dump(mode="json"),
        "versions": library_versions(),
        "run_id": "filled",
        "nearest_reference_id": works[0],
    }
    failed = {2 * key for key in quarantined}
    _insert(
        session,
        Audit,
        (
            {**common, "id": n, "image_id": n, "verdict": "fail" if n in failed else "pass", "reasons": ["said"]}
            for n in numbers
        ),
    )
    _insert(
        session,
        AuditMatch,
        (
            {"audit_id": n, "reference_id": work, "rank": rank, "scores": {"ssim": 0.2}, "transform": "identity"}
            for n in numbers
            for rank, work in enumerate(works[:5], start=1)
        ),
    )
    session.add_all(Review(audit_id=n, decision="waive", who="a person", why="our own work") for n in sorted(waived))
    session.flush()
    _insert(session, Release, _releases(numbers[1::2], failed - waived))


def _picture(store: ArtifactStore, rng: np.random.Generator) -> str:
    return store.put_image(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))


def _releases(seconds: list[int], held: set[int]) -> Iterator[dict[str, Any]]:
    for n in seconds:
        if n not in held:
            yield {"prompt_id": n // 2, "image_id": n, "audit_id": n, "released_at": utc_now()}
