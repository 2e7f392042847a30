"""Captions' vectors are read from a file that was made from the same captions by the same text tower, and no other."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from twig_assets.judge.captions import FILE, caption_features, write_captions
from twig_assets.judge.clip import text_features
from twig_assets.judge.embedded import embedded_judge

CAPTIONS = ["an owl", "a penguin, noto style"]


def test_what_is_shipped_is_what_the_judge_computes() -> None:
    judge = embedded_judge()
    written = judge.vocabulary.written()
    shipped = load_file(FILE)["captions"]
    assert shipped.shape == (len(written), 128)
    some = slice(None, None, 500)
    np.testing.assert_allclose(shipped[some], text_features(judge.clip, written[some]), atol=1e-3)
    assert np.array_equal(caption_features(judge.clip, written), shipped.astype(np.float32)), "it is used"


def test_vectors_of_other_captions_are_not_used(tmp_path: Path) -> None:
    clip, file = embedded_judge().clip, tmp_path / "captions.safetensors"
    write_captions(clip, CAPTIONS, file)
    kept = load_file(file)["captions"].astype(np.float32)
    assert np.array_equal(caption_features(clip, CAPTIONS, file), kept)
    computed = caption_features(clip, CAPTIONS[::-1], file)
    assert not np.array_equal(computed, kept[::-1]), "computed in full precision"
    np.testing.assert_allclose(computed, kept[::-1], atol=1e-3)
    assert caption_features(clip, CAPTIONS, tmp_path / "missing").shape == (2, 128)
