"""Benchmark `detectors`: which of thirty-six kinds of copies are found, at how many false alarms, beside other tools.

Found is what fails, and a false alarm is a stranger that fails: what is left to a person counts as neither, and is
shown beside as `reviews`. Our thresholds are the defaults of a policy. A peer's are the loosest at which it raises no
more false alarms than we may, on the very strangers that these are counted on, which favours the peers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from twig_assets.bench.audit import asking, copy_sets
from twig_assets.bench.audit.asking import NEVER, POLICY, SSCD, SSIM, Asked, Question, measured
from twig_assets.bench.audit.copy_peers import PEERS
from twig_assets.bench.audit.copy_sets import SEED, CopySet
from twig_assets.bench.audit.further_copies import TRANSFORMS
from twig_assets.bench.intervals import wilson
from twig_assets.bench.report import Bar, Measured
from twig_assets.engines import Context, Engine, Shard, opened_engine
from twig_assets.settings.engines import EngineSettings
from twig_assets.similarity.detectors.registry import detectors
from twig_assets.similarity.verdicts.rule import limits

ALLOWANCE = 0.005
"""Share of the strangers on which a union may raise a false alarm."""

UNION, WITHOUT_SSCD = "union", "union without sscd"
RECALL_GOALS = {True: {"photographs": 0.95, "art": 0.93}, False: {"photographs": 0.9, "art": 0.9}}
"""With SSCD, and without: corpus -> goal of the mean recall."""
BEATEN_GOAL = 34
_SHARD = 8


@dataclass(frozen=True)
class SampleSizes:
    """How many queries per corpus.

    Attributes:
        copied: Works that are copied in each of the thirty-six ways.
        strangers: Queries that have nothing to do with the corpus.
        plain: Plain queries of the kinds that are among the works.
    """

    copied: int
    strangers: int
    plain: int


DEFAULT = SampleSizes(copied=8, strangers=216, plain=120)
FULL = SampleSizes(copied=24, strangers=720, plain=360)
QUICK = SampleSizes(copied=2, strangers=36, plain=30)


@dataclass(frozen=True)
class Outcome:
    """All queries of one corpus."""

    corpus: CopySet
    copies: list[Asked]
    strangers: list[Asked]


def measure(quick: bool = False, grid: Path | None = None, full: bool = False) -> Measured:
    """Measure both corpora.

    Args:
        quick: Ask about a sixth of the queries.
        grid: Not used; there are no pictures to judge.
        full: Ask three times as many.
    """
    sizes = QUICK if quick else FULL if full else DEFAULT
    with opened_engine(EngineSettings()) as engine:
        return summarised([ask(corpus, sizes, engine) for corpus in (copy_sets.art(), copy_sets.photographs())])


def ask(corpus: CopySet, sizes: SampleSizes, engine: Engine) -> Outcome:
    """Score all queries of one corpus."""
    asked = questions(corpus, sizes)
    starts = range(0, len(asked), _SHARD)
    shards = [Shard(f"{corpus.name} {start}", asked[start : start + _SHARD]) for start in starts]
    found: list[Asked] = []
    with tqdm(total=len(asked), desc=corpus.name, unit="query") as shown:
        for part in engine.map(asking.answers, shards, Context(asking.scorer, corpus.name)):
            found += part
            shown.update(len(part))
    copies = [answer for question, answer in zip(asked, found, strict=True) if question.kind == "copy"]
    others = [answer for question, answer in zip(asked, found, strict=True) if question.kind != "copy"]
    return Outcome(corpus, copies, others)


def questions(corpus: CopySet, sizes: SampleSizes) -> list[Question]:
    """What is asked about a corpus: copies, strangers, and plain strangers."""
    rng = np.random.default_rng((SEED, len(corpus.references)))
    order = rng.permutation(len(corpus.references)).tolist()
    # Each transform copies other works, so that no hard one weighs on all of them.
    asked = [
        Question("copy", name, order[number % len(order)], number)
        for number, name in enumerate(name for name in TRANSFORMS for _ in range(sizes.copied))
    ]
    strange = rng.permutation(len(corpus.strangers)).tolist()
    names = enumerate(_cycled(sizes.strangers, rng))
    asked += [Question("stranger", name, strange[i % len(strange)], i) for i, name in names]
    plain = rng.permutation(len(corpus.plain_strangers)).tolist()
    names = enumerate(_cycled(sizes.plain, rng))
    return [*asked, *(Question("plain", name, plain[i % len(plain)], i) for i, name in names)]


def _cycled(count: int, rng: np.random.Generator) -> list[str]:
    """Each transform as often as any other, in random order."""
    filled = [TRANSFORMS[i % len(TRANSFORMS)] for i in range(count)]
    return [filled[i] for i in rng.permutation(count)]


def thresholds(strangers: Sequence[Asked], names: Iterable[str], allowance: float) -> dict[str, float]:
    """What a score must exceed, for each detector of a union.

    All detectors are allowed to be wrong on equally many strangers, as many as keep the share of strangers on which any
    of them is wrong within the allowance.
    """
    others = {name: np.array([query.others[name] for query in strangers]) for name in names}
    chosen = {name: float(scores.max()) for name, scores in others.items()}
    for wrong in range(1, len(strangers)):
        looser = {name: float(np.sort(scores)[-1 - wrong]) for name, scores in others.items()}
        if np.any([scores > looser[name] for name, scores in others.items()], axis=0).mean() > allowance:
            break
        chosen = looser
    return chosen


def policy_limits() -> dict[str, float]:
    """What a score must exceed to reach the default policy's threshold, for each of our detectors."""
    signs = measured()
    names = {SSIM: SSIM, **{detector.score: detector.name for detector in detectors()}}
    beyond = {}
    for limit in limits(POLICY.model_dump()):
        name = names.get(limit.score)
        if name in signs and limit.value is not None:
            beyond[name] = float(np.nextafter(signs[name] * limit.value, NEVER))
    return beyond


def exceeds(scores: dict[str, float], limits: dict[str, float]) -> bool:
    """Whether any detector of a union triggers."""
    return any(scores[name] > limit for name, limit in limits.items())


def unions(asked: Asked) -> dict[str, list[str]]:
    """Union -> its detectors: ours with and without SSCD, each peer's, and every detector alone."""
    ours = [name for name in measured() if name in asked.others]
    peers = {peer: [name for name in asked.others if name.startswith(f"{peer} ")] for peer in PEERS}
    without = {WITHOUT_SSCD: [name for name in ours if name != SSCD]}
    return {UNION: ours, **without, **{p: n for p, n in peers.items() if n}, **{name: [name] for name in asked.others}}


def summarised(outcomes: Sequence[Outcome]) -> Measured:
    """Bars and rows of what was asked."""
    rows: list[dict[str, Any]] = []
    recall: dict[tuple[str, str, str], float] = {}
    defaults = policy_limits()
    for outcome in outcomes:
        for union, names in unions(outcome.strangers[0]).items():
            ours = {name: defaults[name] for name in names if name in defaults}
            chosen = ours or thresholds(outcome.strangers, names, ALLOWANCE)
            rows += [_alarm_row(outcome, union, chosen, which) for which in ("all", "plain", "other")]
            for transform in TRANSFORMS:
                row = _recall_row(outcome, union, transform, lambda query, chosen=chosen: exceeds(query.own, chosen))  # type: ignore[misc]
                recall[outcome.corpus.name, union, transform] = row["recall"]
                rows.append(row)
        rows += [_recall_row(outcome, "candidates", name, lambda query: query.candidate) for name in TRANSFORMS]
    count, missed = beaten(recall, [outcome.corpus.name for outcome in outcomes])
    rows.append({"kind": "not_beaten", "transforms": missed})
    bars = [_alarm_bar(outcomes, rows), *_recall_bars(outcomes, rows)]
    bars.append(Bar(name="transforms_beating_best_peer", value=count, goal=BEATEN_GOAL, direction=">="))
    return Measured(bars=bars, rows=rows)


def _alarm_bar(outcomes: Sequence[Outcome], rows: Sequence[dict[str, Any]]) -> Bar:
    """The share of all strangers to both corpora, plain ones included, on which the union raises a false alarm."""
    wrong = sum(
        row["false_alarms"]
        for row in rows
        if (row["kind"], row.get("detector"), row.get("strangers")) == ("false_alarms", UNION, "all")
    )
    asked = sum(len(outcome.strangers) for outcome in outcomes)
    return Bar.of_share("false_alarms_per_query", wrong, asked, goal=ALLOWANCE, direction="<=")


def _recall_bars(outcomes: Sequence[Outcome], rows: Sequence[dict[str, Any]]) -> list[Bar]:
    """Mean recall on each corpus with everything that is installed, and without SSCD."""
    bars = []
    for outcome in outcomes:
        corpus = outcome.corpus.name
        for union in (UNION, WITHOUT_SSCD):
            with_sscd = union == UNION and SSCD in outcome.strangers[0].others
            of = [
                row
                for row in rows
                if (row["kind"], row.get("corpus"), row.get("detector")) == ("recall", corpus, union)
            ]
            found, count = sum(row["found"] for row in of), sum(row["of"] for row in of)
            name = f"recall_{'photos' if corpus == 'photographs' else corpus}_mean"
            name += "" if union == UNION else "_without_sscd"
            bars.append(Bar.of_share(name, found, count, goal=RECALL_GOALS[with_sscd][corpus], direction=">="))
    return bars


def _alarm_row(outcome: Outcome, union: str, limits: dict[str, float], which: str) -> dict[str, Any]:
    asked = [query for query in outcome.strangers if which == "all" or query.plain == (which == "plain")]
    wrong = sum(exceeds(query.others, limits) for query in asked)
    low, high = wilson(wrong, len(asked)) if asked else (0.0, 1.0)
    return {
        "kind": "false_alarms",
        "corpus": outcome.corpus.name,
        "references": len(outcome.corpus.references) + len(outcome.corpus.plain_works),
        "detector": union,
        "strangers": which,
        "above": {name: limit if np.isfinite(limit) else None for name, limit in limits.items()},
        "queries": len(asked),
        "false_alarms": wrong,
        "false_alarms_per_query": wrong / max(len(asked), 1),
        "reviews": sum(query.others_review and not exceeds(query.others, limits) for query in asked),
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
        "reviews": sum(query.own_review and not is_found(query) for query in queries),
        "low": low,
        "high": high,
    }


def beaten(recall: dict[tuple[str, str, str], float], corpora: Sequence[str]) -> tuple[int, list[dict[str, Any]]]:
    """On how many transforms our union finds at least as many as any peer does, on every corpus; and the others.

    Args:
        recall: (corpus, union, transform) -> share of the copies that is found.
        corpora: Names of the corpora.
    """
    peers = sorted({union for _, union, _ in recall if union.split(" ")[0] in PEERS})
    missed = []
    for transform in TRANSFORMS:
        for corpus in corpora:
            best = max(peers, key=lambda peer, at=(corpus, transform): recall[at[0], peer, at[1]])  # type: ignore[misc]
            ours, theirs = recall[corpus, UNION, transform], recall[corpus, best, transform]
            if ours < theirs:
                missed.append({"transform": transform, "corpus": corpus, "ours": ours, "peer": best, "theirs": theirs})
    return len(TRANSFORMS) - len({miss["transform"] for miss in missed}), missed
