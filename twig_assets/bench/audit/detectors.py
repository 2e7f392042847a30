"""Benchmark `detectors`: which copies are found, at how many false alarms, beside two peers.

Our thresholds are the defaults of a policy. A peer's are set on calibration queries: the works of the corpus,
transformed, each compared with the works of other groups only, with a small allowance of false alarms. Recall is then
counted on copies, and false alarms on strangers, at these thresholds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from tqdm import tqdm

from twig_assets.bench.audit import copy_peers, copy_sets
from twig_assets.bench.audit.copy_sets import SEED, CopySet
from twig_assets.bench.intervals import wilson
from twig_assets.bench.report import Bar, Measured
from twig_assets.similarity import ORIENTATIONS, Policy
from twig_assets.similarity.corpus.index import Evidence, ReferenceIndex, gather
from twig_assets.similarity.detectors.copies import TRANSFORMS, transformed
from twig_assets.similarity.detectors.registry import detectors
from twig_assets.similarity.structural.pair_scores import pair_scores
from twig_assets.similarity.verdicts.rule import limits

ALLOWANCE = 0.005
"""Share of the calibration queries on which a peer's union may raise a false alarm."""

MARGIN = 0.25
"""The worst of a thousand queries is not the worst there is: thresholds lie this share further out."""

POLICY = Policy()
SSIM = "ssim"
_SSIM_SIDE = 64
_NEVER = float("-inf")


def measured() -> dict[str, Literal[1, -1]]:
    """Our detectors: SSIM and those that need no model of the user's; 1 where a high score is near, -1 where a low."""
    opened = [detector for detector in detectors() if detector.opened(POLICY.model_dump())]
    return {SSIM: 1, **{detector.name: 1 if detector.direction == ">=" else -1 for detector in opened}}


@dataclass(frozen=True)
class SampleSizes:
    """How many queries per corpus.

    Attributes:
        copied: Works that are copied in each of the eighteen ways.
        calibration: Queries that thresholds are set on.
        strangers: Queries that have nothing to do with the corpus.
    """

    copied: int
    calibration: int
    strangers: int


# Of a threshold beyond the worst of n queries, one in n + 1 alarms is to be expected; there are five detectors.
FULL = SampleSizes(copied=24, calibration=1000, strangers=400)
QUICK = SampleSizes(copied=4, calibration=60, strangers=60)


@dataclass(frozen=True)
class Asked:
    """What was scored for one query.

    Attributes:
        transform: How the query was made.
        own: Detector -> score of the work it was copied from; empty for a stranger.
        others: Detector -> highest score of a work that it was not copied from and that shares no parts with it.
        candidate: Whether the work it was copied from was looked at closely.
    """

    transform: str
    own: dict[str, float]
    others: dict[str, float]
    candidate: bool


@dataclass(frozen=True)
class Outcome:
    """All queries of one corpus."""

    corpus: CopySet
    copies: list[Asked]
    calibration: list[Asked]
    strangers: list[Asked]


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Measure both corpora.

    Args:
        quick: Ask about a sixth of the queries.
        grid: Not used; there are no pictures to judge.
    """
    sizes = QUICK if quick else FULL
    outcomes = [ask(corpus, sizes) for corpus in (copy_sets.art(), copy_sets.photographs())]
    return summarised(outcomes)


def ask(corpus: CopySet, sizes: SampleSizes) -> Outcome:
    """Score all queries of one corpus."""
    scorer = _Scorer(corpus)
    rng = np.random.default_rng((SEED, len(corpus.references)))
    order = rng.permutation(len(corpus.references)).tolist()
    copied = [(name, i) for name in TRANSFORMS for i in order[: sizes.copied]]
    compared = list(zip(_cycled(TRANSFORMS, sizes.calibration, rng), _repeated(order, sizes.calibration), strict=True))
    strange = rng.permutation(len(corpus.strangers)).tolist()
    strangers = list(zip(_cycled(TRANSFORMS, sizes.strangers, rng), _repeated(strange, sizes.strangers), strict=True))

    def run(doing: str, queries: list[tuple[str, int]], pictures: list[np.ndarray], known: bool) -> list[Asked]:
        shown = tqdm(queries, desc=f"{corpus.name}: {doing}", unit="query")
        return [scorer.ask(pictures[i], name, i if known else None, rng) for name, i in shown]

    return Outcome(
        corpus,
        copies=run("copies", copied, corpus.references, known=True),
        calibration=run("calibration", compared, corpus.references, known=True),
        strangers=run("strangers", strangers, corpus.strangers, known=False),
    )


def _cycled(names: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """Each name as often as any other, in random order."""
    filled = [names[i % len(names)] for i in range(count)]
    return [filled[i] for i in rng.permutation(count)]


def _repeated(items: list[int], count: int) -> list[int]:
    return [items[i % len(items)] for i in range(count)]


class _Scorer:
    def __init__(self, corpus: CopySet):
        self.corpus = corpus
        self.groups = np.array(corpus.groups)
        self.index = ReferenceIndex(corpus.references)
        self.peers = copy_peers.PeerIndex(corpus.references, copy_peers.hashers())
        self.small = np.stack([_squeezed(picture) for picture in corpus.references])

    def ask(self, picture: np.ndarray, transform: str, source: int | None, rng: np.random.Generator) -> Asked:
        strangers = self.corpus.strangers
        image = transformed(picture, transform, rng, strangers[int(rng.integers(len(strangers)))])
        evidence = gather(self.index, self.corpus.references, image, POLICY.candidates)
        scores = self._ours(image, evidence) | self.peers.scores(image)
        other = np.full(len(self.groups), True) if source is None else self.groups != self.groups[source]
        return Asked(
            transform,
            {} if source is None else {name: float(values[source]) for name, values in scores.items()},
            {name: float(values[other].max()) for name, values in scores.items()},
            any(pair.reference == source for pair in evidence),
        )

    def _ours(self, image: np.ndarray, evidence: list[Evidence]) -> dict[str, np.ndarray]:
        """Detector -> score of every reference; the larger, the more alike; -infinity where none counts.

        That is so of references that were not looked at, and of SSIM that is not borne out by information.
        """
        signs = measured()
        scores = {name: np.full(len(self.groups), _NEVER) for name in signs}
        compared = [pair.reference for pair in evidence]
        small = _squeezed(image)[None]
        works = [self.small[reference] for reference in compared]
        pairs = pair_scores(small, works, masks=None, orientations=len(ORIENTATIONS), listed=1)
        borne_out = pairs.informed[0] >= (POLICY.iw_ssim_threshold or _NEVER)
        scores[SSIM][compared] = np.where(borne_out, pairs.whole[0], _NEVER)
        for detector in detectors():
            for pair in evidence:
                if detector.name in signs and (score := pair.scores[detector.score]) is not None:
                    scores[detector.name][pair.reference] = signs[detector.name] * score
        return scores


def _squeezed(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((_SSIM_SIDE, _SSIM_SIDE), Image.Resampling.BOX))


def thresholds(calibration: Sequence[Asked], names: Iterable[str], allowance: float) -> dict[str, float]:
    """What a score must exceed, for each detector of a union.

    All detectors are allowed to be wrong on equally many calibration queries, as many as keep the share of queries on
    which any of them is wrong within the allowance. Each threshold then lies MARGIN further from the median.
    """
    others = {name: np.array([query.others[name] for query in calibration]) for name in names}
    chosen = {name: float(scores.max()) for name, scores in others.items()}
    for wrong in range(1, len(calibration)):
        looser = {name: float(np.sort(scores)[-1 - wrong]) for name, scores in others.items()}
        if np.any([scores > looser[name] for name, scores in others.items()], axis=0).mean() > allowance:
            break
        chosen = looser
    return {name: _further(limit, float(np.median(others[name]))) for name, limit in chosen.items()}


def _further(limit: float, median: float) -> float:
    return limit + MARGIN * (limit - median) if np.isfinite(median) else limit


def policy_limits() -> dict[str, float]:
    """What a score must exceed to reach the default policy's threshold, for each of our detectors."""
    signs = measured()
    names = {SSIM: SSIM, **{detector.score: detector.name for detector in detectors()}}
    beyond = {}
    for limit in limits(POLICY.model_dump()):
        name = names.get(limit.score)
        if name in signs and limit.value is not None:
            beyond[name] = float(np.nextafter(signs[name] * limit.value, _NEVER))
    return beyond


def exceeds(scores: dict[str, float], limits: dict[str, float]) -> bool:
    """Whether any detector of a union triggers."""
    return any(scores[name] > limit for name, limit in limits.items())


def unions(asked: Asked) -> dict[str, list[str]]:
    """Union -> its detectors: ours, each peer's, and every detector alone."""
    peers = {peer: [name for name in asked.others if name.startswith(f"{peer} ")] for peer in PEERS}
    return {"union": list(measured()), **peers, **{name: [name] for name in asked.others}}


PEERS = ("imagededup", "perception")


def summarised(outcomes: Sequence[Outcome]) -> Measured:
    """Bars and rows of what was asked."""
    rows: list[dict[str, Any]] = []
    recall: dict[tuple[str, str, str], float] = {}
    alarms: dict[str, float] = {}
    defaults = policy_limits()
    for outcome in outcomes:
        corpus = outcome.corpus.name
        for union, names in unions(outcome.strangers[0]).items():
            ours = {name: defaults[name] for name in names if name in defaults}
            chosen = ours or thresholds(outcome.calibration, names, ALLOWANCE)
            row = _alarm_row(outcome, union, chosen)
            rows.append(row)
            if union == "union":
                alarms[corpus] = row["false_alarms_per_query"]
            for transform in TRANSFORMS:
                row = _recall_row(outcome, union, transform, lambda query, chosen=chosen: exceeds(query.own, chosen))  # type: ignore[misc]
                recall[corpus, union, transform] = row["recall"]
                rows.append(row)
        rows += [_recall_row(outcome, "candidates", name, lambda query: query.candidate) for name in TRANSFORMS]
    corpora = [outcome.corpus.name for outcome in outcomes]
    beaten = {peer: _beaten(recall, corpora, peer) for peer in PEERS}
    rows += [{"kind": "not_beaten", "peer": peer, "transforms": missed} for peer, (_, missed) in beaten.items()]
    mean = {corpus: float(np.mean([recall[corpus, "union", name] for name in TRANSFORMS])) for corpus in corpora}
    bars = [Bar(name="false_alarms_per_query", value=max(alarms.values()), goal=0.01, direction="<=")]
    for corpus, goal in (("photographs", 0.9), ("art", 0.75)):
        name = f"recall_{'photos' if corpus == 'photographs' else corpus}_mean"
        bars.append(Bar(name=name, value=mean[corpus], goal=goal, direction=">="))
    goal = len(TRANSFORMS) - 1
    bars += [
        Bar(name=f"transforms_beating_{peer}", value=count, goal=goal, direction=">=")
        for peer, (count, _) in beaten.items()
    ]
    return Measured(bars=bars, rows=rows)


def _alarm_row(outcome: Outcome, union: str, limits: dict[str, float]) -> dict[str, Any]:
    wrong = sum(exceeds(query.others, limits) for query in outcome.strangers)
    in_calibration = sum(exceeds(query.others, limits) for query in outcome.calibration)
    low, high = wilson(wrong, len(outcome.strangers))
    return {
        "kind": "false_alarms",
        "corpus": outcome.corpus.name,
        "references": len(outcome.corpus.references),
        "detector": union,
        "above": {name: limit if np.isfinite(limit) else None for name, limit in limits.items()},
        "calibration_queries": len(outcome.calibration),
        "calibration_false_alarms": in_calibration,
        "queries": len(outcome.strangers),
        "false_alarms": wrong,
        "false_alarms_per_query": wrong / len(outcome.strangers),
        "low": low,
        "high": high,
    }


def _recall_row(outcome: Outcome, union: str, transform: str, is_found: Callable[[Asked], bool]) -> dict[str, Any]:
    queries = [query for query in outcome.copies if query.transform == transform]
    count = sum(is_found(query) for query in queries)
    low, high = wilson(count, len(queries))
    return {
        "kind": "recall",
        "corpus": outcome.corpus.name,
        "detector": union,
        "transform": transform,
        "found": count,
        "of": len(queries),
        "recall": count / len(queries),
        "low": low,
        "high": high,
    }


def _beaten(
    recall: dict[tuple[str, str, str], float], corpora: Sequence[str], peer: str
) -> tuple[int, list[dict[str, Any]]]:
    """On how many transforms our union finds more than a peer on every corpus, or all there is; and the others.

    A peer has, on each corpus, the better of its union and its best single hash (by mean recall there).
    """
    best = {}
    for corpus in corpora:
        names = {union for c, union, _ in recall if c == corpus and union.split(" ")[0] == peer}
        means = {name: np.mean([recall[corpus, name, t] for t in TRANSFORMS]) for name in names}
        best[corpus] = {peer, max(sorted(names - {peer}), key=lambda name, means=means: means[name])}  # type: ignore[misc]
    missed = []
    for transform in TRANSFORMS:
        for corpus in corpora:
            ours = recall[corpus, "union", transform]
            theirs = max(recall[corpus, name, transform] for name in best[corpus])
            if not (ours > theirs or ours == theirs == 1):
                missed.append({"transform": transform, "corpus": corpus, "ours": ours, "theirs": theirs})
    return len(TRANSFORMS) - len({miss["transform"] for miss in missed}), missed
