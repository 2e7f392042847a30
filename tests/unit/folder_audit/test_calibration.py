"""Proposed policies."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twig_assets.folder_audit import audit_folder, calibrate_folder
from twig_assets.folder_audit.calibration import BINS, chart
from twig_assets.similarity import CalibrationError, Limit, Policy, read_policy
from twig_assets.similarity.verdicts.calibrate import Proposal


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Blots that copy nothing."""
    folder = tmp_path / "clean"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        blots = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        blots.resize((40, 40), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


def test_the_policy_that_is_written_passes_the_clean_images_and_fails_the_copies(
    clean: Path, images: Path, references: Path, tmp_path: Path
) -> None:
    (clean / "broken.png").write_bytes(b"")
    out = tmp_path / "out"
    found = calibrate_folder(clean, references, Policy(), out, false_alarms=0.05, copies=4, loosen=True).calibration
    assert (found.images, found.copies, found.inconclusive) == (6, 4, 1)
    assert found.false_alarms == 0
    policy = read_policy(out / "policy.yaml")
    assert policy == found.policy
    assert policy.hog_cosine_at_least < Policy().hog_cosine_at_least
    judged = audit_folder(clean, references, policy, out, sample=0).judged
    assert {one.verdict for one in judged} <= {"pass", "review", "inconclusive"}
    verdicts = {one.file.name: one.verdict for one in audit_folder(images, references, policy, out, sample=0).judged}
    assert verdicts["copy.png"] == verdicts["mirrored.png"] == "fail"
    page = (out / "calibration.html").read_text()
    assert "://" not in page
    assert page.count('class="up"') == len(found.proposals)


def test_few_images_loosen_nothing_and_what_they_can_promise_is_said(
    clean: Path, references: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    proposed = calibrate_folder(clean, references, Policy(), out, copies=0)
    assert proposed.calibration.policy == read_policy(out / "policy.yaml") == Policy()
    [warning] = proposed.warnings
    assert "6 clean images can promise no less than 39.3% false alarms" in warning
    assert "take 300 or more for 1.0%" in warning
    assert "Beware: 6 clean images" in (out / "policy.yaml").read_text()
    assert "Beware: 6 clean images" in (out / "calibration.html").read_text()


def test_images_unlike_those_to_be_audited_are_told(clean: Path, references: Path, tmp_path: Path) -> None:
    audited = tmp_path / "audited"
    audited.mkdir()
    for i in range(3):
        sheet = Image.new("RGB", (300, 200), "white")
        sheet.paste((i, 0, 0), (100, 50, 160, 110))
        sheet.save(audited / f"{i}.png")
    (audited / "note.txt").write_text("no image")
    proposed = calibrate_folder(clean, references, Policy(), tmp_path / "out", copies=0, like=audited)
    _, size, kind = proposed.warnings
    assert "measure 300 px and the clean ones 40 px" in size
    assert "100% of the images to be audited are mostly plain ground, and 0% of the clean ones" in kind
    alike = calibrate_folder(clean, references, Policy(), tmp_path / "other", copies=0, like=clean)
    assert len(alike.warnings) == 1


def test_images_that_are_copies_are_refused_as_clean(images: Path, references: Path, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="take those out"):
        calibrate_folder(images, references, Policy(), tmp_path / "out", copies=0)


def test_a_chart_holds_every_score_once() -> None:
    drawn = chart(Proposal(Limit("pdq_distance_at_most", "pdq_distance", "<=", 40), (90, 100, 120), (0, 30), 0, 1))
    assert (drawn.low, drawn.high, drawn.threshold) == (0, 120, 40)
    assert sum(drawn.clean) == pytest.approx(1)
    assert sum(drawn.copies) == pytest.approx(1)
    assert len(drawn.clean) == len(drawn.copies) == BINS
