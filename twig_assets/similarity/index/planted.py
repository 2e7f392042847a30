"""What an audit against an index finds of copies planted on purpose; see `planted_recall`."""

import numpy as np

from twig_assets.similarity.corpus.index import gather
from twig_assets.similarity.detectors.copies import TRANSFORMS, transformed
from twig_assets.similarity.index.audited import IndexedWorks
from twig_assets.similarity.index.candidates import ALL_BY_SSIM, DescribedImage, image_of
from twig_assets.similarity.index.check import vector_recall
from twig_assets.similarity.verdicts.planted_recall import PlantedRecall, is_found, sized

_COMPARED = 2
"""Copies whose nearest vectors are also sought by comparing with all of a segment, which takes long."""


def planted_in_index(works: IndexedWorks, grounds: np.ndarray, seed: int = 0) -> PlantedRecall:
    """Plant a copy of each kind and look whether it is found.

    Args:
        works: The index, which has works, and the thresholds to find copies by.
        grounds: See `planted_recall`.
        seed: See `planted_recall`.
    """
    rng, index = np.random.default_rng(seed), works.index
    there = rng.permutation(np.flatnonzero(~index.removed)).tolist()
    found = candidates = 0
    missed: list[str] = []
    asked: list[DescribedImage] = []
    for turn, name in enumerate(TRANSFORMS):
        source = there[turn % len(there)]
        work = works.picture(source)
        copy = transformed(sized(work.pixels, max(grounds.shape[1:3])), name, rng, grounds[turn % len(grounds)])
        described = works.described([copy])
        [rows] = works.candidates([copy], described=described)
        own = [row for row in rows if index.work(row) == index.work(source)]
        pictures = [works.picture(row).pixels for row in own]
        evidence = gather(works.at(own, described[0]), pictures, copy, len(own), described=described[0])
        candidates += bool(own)
        asked.append(image_of(copy, described[0], index.manifest.vectors))
        if is_found(copy, work.pixels, evidence, works.policy.model_dump()):
            found += 1
        else:
            missed.append(f"{name}: {work.title}")
    search = vector_recall(index, asked[:_COMPARED])
    return PlantedRecall(len(TRANSFORMS), found, candidates, tuple(missed), search, len(index) <= ALL_BY_SSIM)
