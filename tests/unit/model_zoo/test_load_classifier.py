"""The classifier that comes with the package, and what happens when it cannot be opened."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from twig_assets.model_zoo.art import STYLES, concept_names, held_out
from twig_assets.model_zoo.load_classifier import load_classifier, save_classifier
from twig_assets.model_zoo.loading import ModelError
from twig_assets.model_zoo.training.stage_classifier import all_pairs, build_classifier, fresh_views, roughened


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_classifier(build_classifier().eval(), tmp_path / "classifier")
    return tmp_path / "classifier"


def test_it_names_at_least_85_percent_of_fresh_views_of_the_art() -> None:
    classifier = load_classifier()
    concept, style = classifier.classify(fresh_views(all_pairs(), np.random.default_rng(77)))
    names = np.asarray(classifier.concepts)[concept.argmax(-1)]
    styles = np.asarray(classifier.styles)[style.argmax(-1)]
    assert np.mean([said == pair[0] for said, pair in zip(names, all_pairs(), strict=True)]) >= 0.85
    assert np.mean([said == pair[1] for said, pair in zip(styles, all_pairs(), strict=True)]) >= 0.85


def test_it_knows_the_pairs_that_the_generator_never_sees() -> None:
    classifier = load_classifier()
    pairs = sorted(held_out())
    concept, _ = classifier.classify(fresh_views(pairs, np.random.default_rng(78)))
    assert (
        np.mean([classifier.concepts[i] == name for i, (name, _) in zip(concept.argmax(-1), pairs, strict=True)])
        >= 0.85
    )


def test_probabilities_and_features_have_the_promised_shapes() -> None:
    classifier = load_classifier()
    images = fresh_views(all_pairs()[:70], np.random.default_rng(1))
    concept, style = classifier.classify(images)
    assert concept.shape == (70, len(concept_names()))
    assert style.shape == (70, len(STYLES))
    np.testing.assert_allclose(concept.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(style.sum(1), 1, atol=1e-5)
    features = classifier.features(images)
    assert features.shape == (70, 384)
    assert features.min() >= 0
    assert features.std(axis=0).max() > 0


def test_a_picture_gets_the_same_answer_alone_and_in_a_batch() -> None:
    classifier = load_classifier()
    images = fresh_views(all_pairs()[:5], np.random.default_rng(2))
    np.testing.assert_allclose(classifier.classify(images)[0][2:3], classifier.classify(images[2:3])[0], atol=1e-5)


def test_saved_weights_answer_as_the_model_did(saved: Path) -> None:
    torch.manual_seed(0)
    images = fresh_views(all_pairs()[:4], np.random.default_rng(3))
    expected, _ = build_classifier().eval().classify(images)
    np.testing.assert_allclose(load_classifier(saved).classify(images)[0], expected, atol=2e-3)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 64, 64, 3), np.float32), np.zeros((0, 64, 64, 3), np.uint8)],
)
def test_other_images_are_refused_with_what_was_expected(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"uint8 images of shape \(n, 64, 64, 3\)"):
        build_classifier().eval().classify(images)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere/config\.json: no classifier here"):
        load_classifier(tmp_path / "nowhere")


def test_missing_weights_are_named(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors: the classifier's weights are missing"):
        load_classifier(saved)


def test_truncated_weights_are_refused(saved: Path) -> None:
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"model\.safetensors: not a readable safetensors file"):
        load_classifier(saved)


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "clip"}'])
def test_a_config_of_something_else_is_refused(saved: Path, text: str) -> None:
    (saved / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        load_classifier(saved)


def test_weights_of_another_width_are_refused(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | {"widths": [8, 16, 32]}))
    with pytest.raises(ModelError, match="do not fit"):
        load_classifier(saved)


def test_roughening_is_mild_and_repeats_with_the_seed() -> None:
    image = fresh_views([("owl", "noto")], np.random.default_rng(4))[0]
    rough = [roughened(image, np.random.default_rng(seed)) for seed in range(30)]
    np.testing.assert_array_equal(rough[3], roughened(image, np.random.default_rng(3)))
    distances = [np.abs(one.astype(float) - image).mean() for one in rough]
    assert max(distances) < 25
    assert np.median(distances) > 0.5
