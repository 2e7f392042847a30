"""Which references share local features with an image: every descriptor votes for the works it resembles most.

Source: McCann and Lowe, "Local Naive Bayes Nearest Neighbor for Image Classification", CVPR 2012, algorithm 2.
"""

from collections.abc import Sequence

import numpy as np

from twig_assets.similarity.corpus.search import EXACT_UP_TO, CosineSearch
from twig_assets.similarity.detectors.local_features import Features

NEIGHBOURS = 10


class LocalVotes:
    """The local features of all references, in one table."""

    def __init__(self, features: Sequence[Features], exact_up_to: int = EXACT_UP_TO):
        """Put the features of each reference into the table, in order.

        Args:
            features: The local features of each reference.
            exact_up_to: See `CosineSearch`; counts features.
        """
        self.count = len(features)
        self._owner = np.repeat(np.arange(len(features)), [len(picture_features) for picture_features in features])
        table = [picture_features.descriptors for picture_features in features] or [np.zeros((0, 128), np.float32)]
        self._search = CosineSearch(np.concatenate(table).astype(np.float16), exact_up_to)

    @property
    def exact(self) -> bool:
        """Whether every descriptor is compared with every other."""
        return self._search.exact

    def votes(self, variants: Sequence[np.ndarray]) -> np.ndarray:
        """Sum of the votes for each reference, of the variant of the image that gives it most.

        The nearest neighbours of a descriptor vote for their references, each with the difference of its cosine to
        that of the first neighbour without a vote. So a corner that all works have counts little. A descriptor gives
        a reference one vote at most.

        Args:
            variants: float32 arrays of shape (n, 128): the descriptors of each variant.

        Returns:
            float32 array of shape (number of references,), 0 and more.
        """
        queries = np.concatenate(variants)
        votes = np.zeros((len(variants), self.count), np.float32)
        if len(queries) == 0 or len(self._owner) <= 1:
            return votes.max(axis=0)
        nearest = self._search.nearest(queries, NEIGHBOURS + 1)
        weight = np.nan_to_num(nearest.scores - nearest.scores[:, -1:])
        owner = self._owner[nearest.indices]
        # The nearest comes first, so the first of a reference's votes is its largest.
        _, first = np.unique(np.arange(len(owner))[:, None] * self.count + owner, return_index=True)
        variant = np.repeat(np.arange(len(variants)), [len(descriptors) for descriptors in variants])
        voting = np.broadcast_to(variant[:, None], owner.shape)
        np.add.at(votes, (voting.ravel()[first], owner.ravel()[first]), weight.ravel()[first])
        return votes.max(axis=0)
