"""A detector that is one file shows wherever there are detectors."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.similarity.toy_detector import ColourDistance
from twig_assets.bench.audit.detectors import measured
from twig_assets.folder_audit import audit_folder, calibrate_folder
from twig_assets.similarity import (
    Detector,
    Policy,
    PolicyError,
    ReferenceImage,
    audit,
    is_behind,
    limits,
    planted_recall,
    read_policy,
    verdict_of_scores,
)
from twig_assets.similarity.corpus.index import ReferenceIndex
from twig_assets.similarity.detectors.hog import Hog
from twig_assets.similarity.detectors.registry import detectors, registered
from twig_assets.similarity.result import extended, match_of_row
from twig_assets.similarity.verdicts.policy import policy_model

FIELD = "colour_distance_at_most"
ONLY_COLOUR = {
    "ssim_threshold": 1,
    "masked_ssim_threshold": 1,
    "review_margin": 0,
    "hog_cosine_at_least": None,
    "edges_cosine_at_least": None,
    "sscd_network": "none",
    "pdq_distance_at_most": None,
    "sift_inliers_at_least": None,
    "alignment_strength_at_least": None,
}


@pytest.fixture
def colour() -> Iterator[Detector]:
    with registered(ColourDistance()) as detector:
        yield detector


def policy(**fields: object) -> Policy:
    return policy_model().model_validate(fields)


def shuffled(work: np.ndarray) -> np.ndarray:
    """The pixels of a work in another order: the same mean colour, and nothing else in common."""
    pixels = np.random.default_rng(0).permutation(work.reshape(-1, 3))
    return pixels.reshape(work.shape)


@pytest.fixture
def folders(works: np.ndarray, tmp_path: Path) -> tuple[Path, Path]:
    """A folder with a shuffled work and a grey picture, and one with three works."""
    images, references = tmp_path / "images", tmp_path / "references"
    for folder in (images, references):
        folder.mkdir()
    for i in range(3):
        Image.fromarray(works[i]).save(references / f"work-{i}.png")
    Image.fromarray(shuffled(works[1])).save(images / "shuffled.png")
    for i, level in enumerate((230, 245)):
        noise = np.random.default_rng(i).integers(level - 30, level, (64, 64, 3)).astype(np.uint8)
        Image.fromarray(noise).save(images / f"light-{i}.png")
    return images, references


def test_its_policy_field_is_validated_and_unknown_without_it(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(f"{FIELD}: 300\n")
    with pytest.raises(PolicyError, match="unknown field"):
        read_policy(file)
    with registered(ColourDistance()):
        with pytest.raises(PolicyError, match=f":1: {FIELD}: Input should be less than or equal to 255"):
            read_policy(file)
        file.write_text(f"{FIELD}: 2.5\n")
        assert read_policy(file).model_dump()[FIELD] == 2.5
    assert FIELD not in policy_model().model_fields


def test_policies_that_do_not_name_it_keep_their_hash(tmp_path: Path, colour: Detector) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("")
    assert read_policy(file).sha256 == Policy().sha256
    assert policy(**{FIELD: None}).sha256 == Policy().sha256
    assert len({policy(**{FIELD: value}).sha256 for value in (None, 1, 2)}) == 3


def test_the_hashes_of_policies_of_the_first_version_stay() -> None:
    # SSIM decided alone then, nobody compared outlines, and SSCD failed later.
    first = {"iw_ssim_threshold": None, "edges_cosine_at_least": None, "sscd_cosine_at_least": 0.75}
    assert policy(**first).sha256 == "9a3af40041ce0073ca27ef4b0c88fc4fe1d0b3c3905c1be45a16fc5a634b83cd"
    assert policy(ssim_threshold=0.5, clip="embedded", **first).sha256 == (
        "12c8752032376e8f0f46a14b2e25a87a7d37061570d90c42713fee9003131607"
    )


def test_it_decides_verdicts_and_says_why(colour: Detector, works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    image = shuffled(works[3])
    [passed] = audit(image[None], corpus, policy(**ONLY_COLOUR))
    assert passed.verdict == "pass"
    assert passed.scores["colour_distance"] == pytest.approx(0)
    [failed] = audit(image[None], corpus, policy(**ONLY_COLOUR, **{FIELD: 0.5}))
    assert failed.verdict == "fail"
    assert failed.nearest is corpus[3]
    assert failed.matches[0].fired == ("colour",)
    assert "mean colours 0.0 apart are not above 0.5" in failed.reasons[0]
    blind, seeing = (policy(**ONLY_COLOUR, **fields) for fields in ({}, {FIELD: 2}))
    index = ReferenceIndex(list(works))
    recalls = [planted_recall(corpus, rules, index, works[:2]).found for rules in (blind, seeing)]
    assert recalls[0] < recalls[1]


def test_stored_audits_serve_it_when_they_have_its_score_and_all_others_when_they_lack_it(
    works: np.ndarray, corpus: list[ReferenceImage]
) -> None:
    image = shuffled(works[3])[None]
    [before] = audit(image, corpus, Policy(**ONLY_COLOUR))
    with registered(ColourDistance()):
        strict, other = policy(**ONLY_COLOUR, **{FIELD: 0.5}), policy(**{**ONLY_COLOUR, "ssim_threshold": 0.9})
        assert verdict_of_scores(before.scores, before.thresholds, before.verdict, strict, []) is None
        stored = verdict_of_scores(
            before.scores, before.thresholds, before.verdict, other, [m.scores for m in before.matches]
        )
        assert stored is not None
        assert stored.verdict == "pass"
        [after] = audit(image, corpus, other)
        judged = verdict_of_scores(
            after.scores, after.thresholds, after.verdict, strict, [m.scores for m in after.matches]
        )
        assert judged is not None
        assert (judged.verdict, judged.decisive) == ("fail", "colour_distance")
        row = before.matches[0].as_row()
        assert match_of_row(row, before.thresholds) == replace(
            before.matches[0], scores={**before.matches[0].scores, "colour_distance": None}
        )
        assert match_of_row(row, strict.model_dump()) is None
        merged = extended(before, audit(image, corpus[:2], other)[0])
        assert merged.scores["colour_distance"] is not None


def test_the_works_behind_a_verdict_are_found_by_its_stored_scores(
    colour: Detector, works: np.ndarray, corpus: list[ReferenceImage]
) -> None:
    rules = policy(**ONLY_COLOUR, **{FIELD: 0.5})
    [result] = audit(shuffled(works[3])[None], corpus, rules)
    near = [is_behind(match.as_row(), result.thresholds, result.verdict) for match in result.matches]
    assert near == [True, False, False, False, False]
    assert not any(is_behind(match.as_row(), result.thresholds, "pass") for match in result.matches)


def test_it_shows_in_tables_and_gallery(colour: Detector, folders: tuple[Path, Path], tmp_path: Path) -> None:
    rules = policy(**ONLY_COLOUR, **{FIELD: 0.5})
    outcome = audit_folder(*folders, rules, tmp_path / "out", sample=2)
    with (tmp_path / "out" / "audit.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["image"] == "shuffled.png"]
    assert rows[0]["verdict"] == "fail"
    assert rows[0]["fired"] == "colour"
    assert float(rows[0]["colour_distance"]) == float(rows[0]["image_colour_distance"]) < 0.5
    assert rows[0][FIELD] == "0.5"
    assert [row["behind_verdict"] for row in rows] == ["true", "false", "false"]
    page = (tmp_path / "out" / "gallery.html").read_text()
    assert f'<th title="{colour.unit}">mean colour</th>' in page
    assert "colour distance" in page
    assert outcome.summary["policy"][FIELD] == 0.5


def test_it_is_calibrated(colour: Detector, folders: tuple[Path, Path], tmp_path: Path) -> None:
    images, references = folders
    (images / "shuffled.png").unlink()
    out = tmp_path / "out"
    rules = policy(**ONLY_COLOUR, **{FIELD: 1.0})
    found = calibrate_folder(images, references, rules, out, copies=4, loosen=True).calibration
    [proposal] = [one for one in found.proposals if one.limit.field == FIELD]
    assert proposal.limit.direction == "<="
    assert 1 < (proposal.limit.value or 0) < min(proposal.clean)
    assert f"{FIELD}: {proposal.limit.value}" in (out / "policy.yaml").read_text()
    assert colour.title in (out / "calibration.html").read_text()
    assert read_policy(out / "policy.yaml") == found.policy


def test_it_is_measured_by_the_benchmark(colour: Detector) -> None:
    assert measured()["colour"] == -1


def test_names_that_are_taken_are_refused() -> None:
    with pytest.raises(ValueError, match="hog, hog_cosine, hog_cosine_at_least is taken"), registered(Hog()):
        raise AssertionError("a second Hog was registered")
    compared = {limit.score for limit in limits(policy_model()().model_dump())}
    assert {detector.score for detector in detectors()} == compared - {"ssim", "masked_ssim"}
