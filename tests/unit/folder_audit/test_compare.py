"""Candidates."""

from pathlib import Path

import numpy as np
from PIL import Image

from twig_assets.folder_audit import audit_folder, corpus
from twig_assets.folder_audit.comparing import CANDIDATES
from twig_assets.similarity import Policy


def test_a_pasted_work_is_found_among_many_by_its_local_features(tmp_path: Path, works: list[np.ndarray]) -> None:
    references, images = tmp_path / "references", tmp_path / "images"
    references.mkdir()
    images.mkdir()
    rng = np.random.default_rng(0)
    work = np.asarray(Image.fromarray(works[1]).resize((128, 128)))
    Image.fromarray(work).save(references / "work.png")
    for i in range(3 * CANDIDATES):
        plain = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(plain).resize((128, 128), Image.Resampling.BICUBIC).save(references / f"other-{i}.png")
    onto = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((320, 320), Image.Resampling.BICUBIC)
    onto.paste(Image.fromarray(work), (20, 150))
    onto.save(images / "pasted.png")
    aligned_only = Policy(
        ssim_threshold=1,
        review_margin=0,
        hog_cosine_at_least=None,
        edges_cosine_at_least=None,
        sscd_network="none",
        pdq_distance_at_most=None,
    )
    [one] = audit_folder(images, references, aligned_only, tmp_path / "out", sample=0).judged
    assert one.verdict == "fail"
    assert one.nearest_match is not None
    assert "pasted in" in one.nearest_match["copied"]


def test_a_large_corpus_is_searched_without_local_features_and_that_is_said(
    images: Path, references: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(corpus, "LOCAL_UP_TO", 2)
    outcome = audit_folder(images, references, Policy(), tmp_path / "out", sample=0)
    assert [one.verdict for one in outcome.judged] == ["fail", "fail", "pass"]
    assert "not sought by local features" in outcome.summary["method"]
