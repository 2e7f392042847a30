"""Votes of local features."""

import numpy as np

from twig_assets.similarity.corpus.local_nbnn import LocalVotes
from twig_assets.similarity.detectors.copies import transformed
from twig_assets.similarity.detectors.local_features import local_features


def test_a_quarter_of_a_drawing_votes_for_it(art: list[np.ndarray]) -> None:
    table = LocalVotes([local_features(picture) for picture in art])
    for source in (0, 3, 5):
        piece = transformed(art[source], "crop 50", np.random.default_rng(0), art[0])
        assert table.votes([local_features(piece).descriptors]).argmax() == source


def test_a_corner_that_all_works_have_is_no_vote() -> None:
    shared, own = np.eye(128, dtype=np.float32)[:2]
    picture = local_features(np.zeros((64, 64, 3), np.uint8))
    works = [np.stack([shared, own]), *[shared[None]] * 11]
    features = [type(picture)(picture.grey, *(np.zeros((len(d), 2)),) * 3, d) for d in works]
    votes = LocalVotes(features).votes([np.stack([shared, own])])
    assert votes[0] > 0.9
    assert (votes[1:] == 0).all()


def test_each_variant_votes_for_itself_and_an_image_without_features_has_no_vote(art: list[np.ndarray]) -> None:
    features = [local_features(picture) for picture in art]
    table = LocalVotes(features)
    both = table.votes([features[0].descriptors, features[1].descriptors])
    alone = [table.votes([one.descriptors]) for one in features[:2]]
    np.testing.assert_allclose(both, np.maximum(*alone), rtol=1e-5)
    assert not table.votes([np.zeros((0, 128), np.float32)]).any()
    assert not LocalVotes([]).votes([features[0].descriptors]).size
