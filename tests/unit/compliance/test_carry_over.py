"""Audits that a grown corpus has left incomplete."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit.catalog.filled import Filled, digest
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Audit, AuditMatch, CorpusVersion, PolicyRow, Reference
from twig_assets.compliance.carry_over import carried_over
from twig_assets.similarity import AuditResult, Policy, ReferenceImage, audit


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    with catalog.session() as session:
        yield Filled(session)
    catalog.close()


@pytest.fixture
def works() -> dict[str, ReferenceImage]:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)
    return {digest(n): ReferenceImage(Path(n), n, "", "", digest(n), p) for n, p in zip("abc", pixels, strict=True)}


def store(filled: Filled, result: AuditResult, members: list[str], image_id: int) -> None:
    policy = filled._get_or_add(PolicyRow, filled.rules.policy_sha256, body={})
    version = CorpusVersion(campaign="demo", sha256=digest("".join(sorted(members))), members=members)
    filled._add(version)
    ids = {}
    for sha256 in members:
        ids[sha256] = filled._get_or_add(
            Reference, sha256, campaign="demo", title=sha256, rights_holder="", licence="", file=sha256
        ).id
    assert result.nearest
    row = filled._add(
        Audit(
            image_id=image_id,
            policy_id=policy.id,
            corpus_version_id=version.id,
            verdict=result.verdict,
            reasons=result.reasons,
            nearest_reference_id=ids[result.nearest.sha256],
            scores=result.scores,
            thresholds=result.thresholds,
            versions=result.versions,
            run_id="run",
        )
    )
    for match in result.matches:
        scores = {k: v for k, v in match.as_row().items() if k not in ("reference_sha256", "rank", "transform")}
        filled._add(
            AuditMatch(
                audit_id=row.id,
                reference_id=ids[match.reference_sha256],
                rank=match.rank,
                scores=scores,
                transform=match.transform,
            )
        )


def test_an_audit_against_a_part_of_the_corpus_comes_back_with_what_it_lacks(
    filled: Filled, works: dict[str, ReferenceImage]
) -> None:
    image = filled.image()
    a, b, c = works
    [result] = audit(works[a].pixels[None], [works[a], works[b]], Policy(), labels=["drawn"])
    store(filled, result, [a, b], image.id)
    policy_id = filled._get_or_add(PolicyRow, filled.rules.policy_sha256, body={}).id

    def asked(members: list[str], policy: int = policy_id) -> dict[int, tuple[AuditResult, frozenset[str]]]:
        corpus = CorpusVersion(campaign="demo", sha256="", members=members)
        return carried_over(filled.session, [image.id], policy, corpus, works)

    [(found, lacking)] = asked([a, b, c]).values()
    assert lacking == {c}
    assert found.nearest is works[a]
    assert found == replace(result, label="", matches=found.matches)
    assert [m.ssim for m in found.matches] == [m.ssim for m in result.matches]
    assert asked([a, c]) == {}, "a work was withdrawn"
    assert asked([a, b]) == {}, "nothing is lacking"
    assert asked([a, b, c], policy_id + 1) == {}, "another policy"


def test_scores_of_other_library_versions_do_not_count(filled: Filled, works: dict[str, ReferenceImage]) -> None:
    image = filled.image()
    a, b, _ = works
    [result] = audit(works[a].pixels[None], [works[a]], Policy())
    store(filled, replace(result, versions={**result.versions, "numpy": "0"}), [a], image.id)
    policy_id = filled._get_or_add(PolicyRow, filled.rules.policy_sha256, body={}).id
    corpus = CorpusVersion(campaign="demo", sha256="", members=[a, b])
    assert carried_over(filled.session, [image.id], policy_id, corpus, works) == {}
