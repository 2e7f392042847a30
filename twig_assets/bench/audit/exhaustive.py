"""The verdict on an image by brute force: scikit-image in every orientation, every detector beside every work."""

from collections.abc import Sequence

import numpy as np
from skimage.metrics import structural_similarity

from twig_assets.similarity import ORIENTATIONS, AuditResult, Policy, ReferenceImage, opened_sources
from twig_assets.similarity.comparison import Comparison
from twig_assets.similarity.corpus.index import ReferenceIndex, gather
from twig_assets.similarity.orientations import oriented_stack
from twig_assets.similarity.structural.information import information_maps, information_score, moments
from twig_assets.similarity.structural.pair_scores import PairScores
from twig_assets.similarity.structural.pictures import BORDER
from twig_assets.similarity.verdicts.judging import judge


class Exhaustive:
    """Works, described once; nothing else is saved."""

    def __init__(self, references: Sequence[ReferenceImage], policy: Policy) -> None:
        """Describe the works by every source that the policy names."""
        self._references, self._policy = references, policy
        self._pixels = [reference.pixels for reference in references]
        self._index = ReferenceIndex(self._pixels, opened_sources(policy.model_dump()))

    def result(self, image: np.ndarray) -> AuditResult:
        """The verdict on an image, uint8 (H, W, 3), that can be judged."""
        best = [_best(image, picture) for picture in self._pixels]
        whole, turns, informed = (np.array(column)[None] for column in zip(*best, strict=True))
        nowhere = np.full(whole.shape, np.nan)
        scores = PairScores(whole, turns, informed, nowhere, np.zeros_like(turns), nowhere)
        everyone = range(len(self._pixels))
        evidence = gather(self._index, self._pixels, image, len(self._pixels), also=everyone)
        comparison = Comparison.of(image, None, self._pixels, scores, 0, evidence)
        return judge(comparison, self._references, self._policy, "")


def _best(image: np.ndarray, work: np.ndarray) -> tuple[float, int, float]:
    """The highest SSIM over the orientations, the first of those that differ by rounding only, and `iw_ssim` there."""
    height, width = image.shape[:2]
    stack = oriented_stack(work, height, width, len(ORIENTATIONS))
    maps = [_map(image, turned) for turned in stack]
    means = np.array([of_turn.mean() for of_turn in maps])
    turn = int((means >= means.max() - 1e-9).argmax())
    shared, possible = information_maps(moments(image), moments(stack[turn]), maps[turn])
    return float(means[turn]), turn, information_score(shared.sum(), possible.sum(), possible.size, image.shape[2])


def _map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Wang's settings, spelled out; without the border: float64 (H - 10, W - 10, 3)."""
    _, full = structural_similarity(
        a,
        b,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=-1,
        full=True,
    )
    return np.asarray(full[BORDER:-BORDER, BORDER:-BORDER])
