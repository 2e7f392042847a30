"""Queries of the benchmark `detectors`, each looked at as an audit does: in every view, and at its own size.

What an audit does: works and images are looked at with and without their borders; each detector proposes works, and so
does SSIM at 64 x 64 pixels; all of these the detectors compare closely, and those that SSIM proposes are compared at
the image's own size, where its rule says whether that is a failure or for a person to look at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from twig_assets.bench.audit import copy_peers, copy_sets
from twig_assets.bench.audit.copy_sets import SEED, CopySet
from twig_assets.bench.audit.further_copies import copied
from twig_assets.similarity import ORIENTATIONS, Policy, opened_sources, ssim_all_pairs
from twig_assets.similarity.corpus.borders import inside_borders
from twig_assets.similarity.corpus.index import Evidence, ReferenceIndex, gather
from twig_assets.similarity.detectors.registry import detectors
from twig_assets.similarity.structural.pair_scores import pair_scores
from twig_assets.similarity.structural.resized import turned_back
from twig_assets.similarity.verdicts.rule import limits

POLICY = Policy()
SSIM, SSCD = "ssim", "sscd"
KINDS = ("copy", "stranger", "plain")
NEVER = float("-inf")
_SSIM_SIDE = 64
_BY_SSIM = 8


class Question(NamedTuple):
    """A query to be made and looked at.

    Attributes:
        kind: Of a work, of a stranger, or of a plain stranger.
        transform: How it is made.
        picture: Which of these.
        number: Its place among the questions of its kind, which seeds what is drawn at random.
    """

    kind: Literal["copy", "stranger", "plain"]
    transform: str
    picture: int
    number: int


@dataclass(frozen=True)
class Asked:
    """What was scored for one query.

    Attributes:
        transform: How the query was made.
        own: Detector -> score of the work it was copied from; empty for a stranger.
        others: Detector -> highest score of a work that it was not copied from and that shares no parts with it.
        candidate: Whether the work it was copied from was looked at closely.
        plain: Whether it is a plain picture.
        own_review: Whether SSIM leaves the work it was copied from to a person.
        others_review: The same of another work.
    """

    transform: str
    own: dict[str, float]
    others: dict[str, float]
    candidate: bool
    plain: bool = False
    own_review: bool = False
    others_review: bool = False


def measured() -> dict[str, Literal[1, -1]]:
    """Our detectors: SSIM and those that are ready here; 1 where a high score is near, -1 where a low one is."""
    ready = {source.descriptor for source in opened_sources(POLICY.model_dump())}
    used = [detector for detector in detectors() if detector.descriptor in ready]
    return {SSIM: 1, **{detector.name: 1 if detector.direction == ">=" else -1 for detector in used}}


def scorer(corpus: str) -> "Scorer":
    """What a worker opens: the corpus `art` or `photographs`, described."""
    return Scorer(copy_sets.art() if corpus == "art" else copy_sets.photographs())


def answers(opened: "Scorer", questions: Sequence[Question]) -> list[Asked]:
    """What a worker computes."""
    return [opened.ask(question) for question in questions]


class Scorer:
    """A corpus described by our detectors and by the peers."""

    def __init__(self, corpus: CopySet) -> None:
        """Describe the works, plain ones among them."""
        self.corpus = corpus
        works = [*corpus.references, *corpus.plain_works]
        self.groups = np.array([*corpus.groups, *(f"plain {i}" for i in range(len(corpus.plain_works)))])
        looks = [(work, view) for work, picture in enumerate(works) for view in views(picture)]
        self._owner, self._pictures = [work for work, _ in looks], [view for _, view in looks]
        self._index = ReferenceIndex(self._pictures, opened_sources(POLICY.model_dump()), works=self._owner)
        self._small = np.stack([_squeezed(picture) for picture in self._pictures])
        self._peers = copy_peers.PeerIndex(works, copy_peers.hashers(), copy_peers.networks())

    def ask(self, question: Question) -> Asked:
        """Make a query and score it."""
        corpus, source = self.corpus, question.picture if question.kind == "copy" else None
        rng = np.random.default_rng((SEED, KINDS.index(question.kind), question.number))
        pictures = {"copy": corpus.references, "stranger": corpus.strangers, "plain": corpus.plain_strangers}
        chosen = rng.choice(len(corpus.strangers), 3, replace=False)
        image = copied(
            pictures[question.kind][question.picture],
            question.transform,
            rng,
            [corpus.strangers[i] for i in chosen],
        )
        scores, review, seen = self._ours(image)
        scores |= self._peers.scores(image)
        other = np.full(len(self.groups), True) if source is None else self.groups != self.groups[source]
        return Asked(
            question.transform,
            {} if source is None else {name: float(values[source]) for name, values in scores.items()},
            {name: float(values[other].max()) for name, values in scores.items()},
            source in seen,
            question.kind == "plain",
            source is not None and bool(review[source]),
            bool(review[other].any()),
        )

    def _ours(self, image: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, set[int]]:
        """What each detector says of every work, where a person has to look, and which works were looked at closely.

        Scores are the larger, the more alike; -infinity where none counts: of works that were not looked at, and of
        SSIM that decides nothing.
        """
        signs = measured()
        scores = {name: np.full(len(self.groups), NEVER) for name in signs}
        review, seen = np.zeros(len(self.groups), bool), set()
        for view in views(image):
            by_ssim = self._nearest_by_ssim(view)
            evidence = gather(self._index, self._pictures, view, POLICY.candidates, also=by_ssim)
            seen |= {self._owner[pair.reference] for pair in evidence}
            for name, reference, score in _by_detectors(evidence, signs):
                work = self._owner[reference]
                scores[name][work] = max(scores[name][work], score)
            for reference, ssim, verdict in self._by_ssim(view, by_ssim, evidence):
                work = self._owner[reference]
                review[work] |= verdict == "review"
                if verdict == "fail":
                    scores[SSIM][work] = max(scores[SSIM][work], ssim)
        return scores, review, seen

    def _nearest_by_ssim(self, view: np.ndarray) -> list[int]:
        turned = np.stack(list(turned_back(_squeezed(view), range(len(ORIENTATIONS)))))
        return np.argsort(-ssim_all_pairs(turned, self._small).max(axis=0), kind="stable")[:_BY_SSIM].tolist()

    def _by_ssim(
        self, view: np.ndarray, references: Sequence[int], evidence: Sequence[Evidence]
    ) -> Iterator[tuple[int, float, str]]:
        """SSIM at the view's own size, and its verdict. SSCD is no witness, so that unions without it are right."""
        pictures = [self._pictures[i] for i in references]
        pairs = pair_scores(view[None], pictures, masks=None, orientations=len(ORIENTATIONS), listed=len(pictures))
        known = {pair.reference: pair.scores for pair in evidence}
        [limit] = [limit for limit in limits(POLICY.model_dump()) if limit.score == SSIM]
        for i, reference in enumerate(references):
            own = {"ssim": float(pairs.whole[0, i]), "iw_ssim": float(pairs.informed[0, i]), "sscd_cosine": None}
            yield reference, own["ssim"] or 0.0, limit.verdict({**known[reference], **own})


def views(picture: np.ndarray) -> list[np.ndarray]:
    """A picture, uint8 (h, w, 3), and what is inside its borders if it has any."""
    box = inside_borders(picture)
    return [picture] if box is None else [picture, np.ascontiguousarray(box.of(picture))]


def _by_detectors(evidence: Sequence[Evidence], signs: dict[str, Literal[1, -1]]) -> Iterator[tuple[str, int, float]]:
    for detector in detectors():
        for pair in evidence:
            if detector.name in signs and (score := pair.scores[detector.score]) is not None:
                yield detector.name, pair.reference, signs[detector.name] * score


def _squeezed(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((_SSIM_SIDE, _SSIM_SIDE), Image.Resampling.BOX))
