from pathlib import Path

import numpy as np
from PIL import Image

from tests.unit.similarity.index.conftest import drawing
from twig_assets.similarity.detectors.image_features import ImageFeatures
from twig_assets.similarity.detectors.local_features import local_features
from twig_assets.similarity.index import vocabulary as training
from twig_assets.similarity.index.local_kernels import WITHDRAWN
from twig_assets.similarity.index.local_search import local_votes
from twig_assets.similarity.index.local_words import KEPT, entries_of, merged, vocabulary, words_of


def variants(picture: np.ndarray) -> list:
    return list(ImageFeatures(picture).variants.values())


def test_a_pasted_mirrored_and_turned_work_gets_most_votes() -> None:
    works = [drawing(seed, 160) for seed in range(8)]
    table = entries_of([local_features(work) for work in works])
    paper = np.full((256, 256, 3), 240, np.uint8)
    paper[40:168, 90:218] = np.asarray(Image.fromarray(np.rot90(works[3][:, ::-1])).resize((128, 128)))
    ranked = local_votes([table], [8], variants(paper))
    assert ranked["row"][0] == 3
    assert len(ranked) == 1 or ranked["votes"][0] > 2 * ranked["votes"][1]


def test_segments_together_say_what_one_says() -> None:
    features = [local_features(drawing(seed, 128)) for seed in range(6)]
    one = local_votes([entries_of(features)], [6], variants(drawing(4, 128)))
    parts = [entries_of(features[:2]), entries_of(features[2:])]
    assert local_votes(parts, [2, 4], variants(drawing(4, 128))).tobytes() == one.tobytes()
    again = merged(parts, [np.arange(2, dtype=np.uint32), np.arange(2, 6, dtype=np.uint32)])
    assert [part.tobytes() for part in again] == [part.tobytes() for part in entries_of(features)]


def test_a_merge_leaves_out_what_was_withdrawn() -> None:
    features = [local_features(drawing(seed, 128)) for seed in range(3)]
    kept = merged([entries_of(features)], [np.array([0, WITHDRAWN, 1], np.uint32)])
    wanted = entries_of([features[0], features[2]])
    assert [part.tobytes() for part in kept] == [part.tobytes() for part in wanted]


def test_the_largest_features_are_kept() -> None:
    features = local_features(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))
    assert len(features) > KEPT == len(entries_of([features]).rows)


def test_pictures_without_features() -> None:
    plain = np.full((64, 64, 3), 200, np.uint8)
    empty = entries_of([local_features(plain)])
    assert len(empty.rows) == 0
    assert len(local_votes([empty], [1], variants(plain))) == 0
    assert len(local_votes([], [], variants(drawing(1)))) == 0


def test_the_word_is_the_nearest_pair_of_centres() -> None:
    descriptors = local_features(drawing(2, 200)).descriptors[:30]
    words, _ = words_of(descriptors, 4)
    centres = vocabulary()
    for descriptor, found in zip(descriptors, words, strict=True):
        halves = [((descriptor[64 * i : 64 * i + 64] - centres[i]) ** 2).sum(axis=1) for i in (0, 1)]
        assert found[0] == halves[0].argmin() * 256 + halves[1].argmin()
        assert len(set(found.tolist())) == 4


def test_training_again_gives_the_same_centres() -> None:
    descriptors = np.random.default_rng(0).random((400, 128), dtype=np.float32)
    first = training.trained(descriptors, 8)
    assert first.shape == (2, 8, 64)
    assert first.tobytes() == training.trained(descriptors, 8).tobytes()
    assert Path(training.__file__).with_name("words.npy").stat().st_size < 70_000
