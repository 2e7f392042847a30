"""Which references share local features with an image: every descriptor votes for the works it is most like.

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
            features: Of each reference.
            exact_up_to: See `CosineSearch`; counts features.
        """
        self.count = len(features)
        self._owner = np.repeat(np.arange(len(features)), [len(one) for one in features])
        table = [one.descriptors for one in features] or [np.zeros((0, 128), np.float32)]
        self._search = CosineSearch(np.concatenate(table).astype(np.float16), exact_up_to)

    @property
    def exact(self) -> bool:
        """Whether every descriptor is compared with every other."""
        return self._search.exact

    def votes(self, variants: Sequence[np.ndarray]) -> np.ndarray:
        """How much speaks for each reference, for the variant of the image that speaks most for it.

        A descriptor's nearest ones vote for their references, each with what it is nearer than the first one that
        has no vote. So a corner that all works have says little. A reference has one vote of a descriptor.

        Args:
            variants: float32 arrays of shape (n, 128): the descriptors of each variant.

        Returns:
            float32 array of shape (number of references,), 0 and more.
        """
        asked = np.concatenate(variants)
        votes = np.zeros((len(variants), self.count), np.float32)
        if len(asked) == 0 or len(self._owner) <= 1:
            return votes.max(axis=0)
        found = self._search.nearest(asked, NEIGHBOURS + 1)
        weight = np.nan_to_num(found.scores - found.scores[:, -1:])
        owner = self._owner[found.indices]
        # The nearest comes first, so the first of a reference's votes is its largest.
        _, first = np.unique(np.arange(len(owner))[:, None] * self.count + owner, return_index=True)
        variant = np.repeat(np.arange(len(variants)), [len(one) for one in variants])
        voting = np.broadcast_to(variant[:, None], owner.shape)
        np.add.at(votes, (voting.ravel()[first], owner.ravel()[first]), weight.ravel()[first])
        return votes.max(axis=0)
