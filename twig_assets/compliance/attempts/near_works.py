"""The protected works that second images are kept away from: those nearest to the first ones."""

from typing import Protocol

import numpy as np

from twig_assets.campaign import Campaign
from twig_assets.campaign.unread_works import read_works
from twig_assets.campaign.works_index import is_indexed, works_index
from twig_assets.regeneration import nearest_works
from twig_assets.similarity import EmptyCorpusError, ReferenceImage, read_policy
from twig_assets.similarity.corpus.references import corpus_files
from twig_assets.similarity.corpus.views import first_views
from twig_assets.similarity.index.audited import IndexedWorks
from twig_assets.similarity.index.reader import CorpusIndex


class NearWorks(Protocol):
    """A campaign's works."""

    def near(self, images: np.ndarray, count: int) -> list[ReferenceImage]:
        """At most `count` works, those most alike to any of the images, uint8 (n, H, W, 3); see `nearest_works`."""


def near_works(campaign: Campaign) -> NearWorks:
    """A campaign's works, in memory or by their index if they are many.

    Raises:
        CorpusError: If their table cannot be used.
        PolicyError: If the policy cannot be read.
    """
    try:
        if is_indexed(campaign, len(corpus_files(campaign.references_folder))):
            policy = read_policy(campaign.policy_file)
            return _Indexed(IndexedWorks(CorpusIndex(works_index(campaign, _unseen)), policy))
        return _InMemory(first_views(read_works(campaign)[0]))
    except EmptyCorpusError:
        return _InMemory([])  # there is nothing to keep away from; the audit is what refuses to go on without a corpus


class _InMemory(NearWorks):
    def __init__(self, works: list[ReferenceImage]) -> None:
        self._works = works

    def near(self, images: np.ndarray, count: int) -> list[ReferenceImage]:
        return [self._works[i] for i in nearest_works(images, [work.pixels for work in self._works], count)]


class _Indexed(NearWorks):
    def __init__(self, works: IndexedWorks) -> None:
        self._works = works

    def near(self, images: np.ndarray, count: int) -> list[ReferenceImage]:
        rows = sorted({row for of_image in self._works.candidates(list(images)) for row in of_image})
        return _InMemory([self._works.picture(row) for row in rows]).near(images, count)


def _unseen(_done: int, _total: int) -> None:
    """Where the index is in line, there is no progress to report."""
