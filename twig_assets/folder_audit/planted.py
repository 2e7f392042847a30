"""Works of the corpus audited as if they were images: as they are, and copied in eighteen ways."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twig_assets.folder_audit.compare import Comparing, Progress, Result, compare
from twig_assets.folder_audit.corpus import Corpus
from twig_assets.folder_audit.queries import CopyOfWork, Query, WorkItself
from twig_assets.similarity.detectors.copies import TRANSFORMS


@dataclass(frozen=True)
class Planted:
    """A copy of a work, made to see whether it is found.

    Attributes:
        source: Hash of the work.
        transform: One of TRANSFORMS.
        query: The copy as an image to be audited.
    """

    source: str
    transform: str
    query: Query


def sampled(corpus: Corpus, count: int) -> list[Query]:
    """Works to be compared with the rest of the corpus: the same ones every time, mostly so when the corpus grows."""
    if len(corpus.works) < 2:
        return []
    return [_itself(corpus, sha256) for sha256 in _drawn(corpus, "baseline", count)]


def planted(corpus: Corpus, count: int) -> list[Planted]:
    """Copies of works, each transform in turn."""
    drawn = _drawn(corpus, "planted", count)
    return [_copy(corpus, sha256, TRANSFORMS[i % len(TRANSFORMS)]) for i, sha256 in enumerate(drawn)]


def self_check(by: Comparing, count: int, progress: Progress) -> tuple[list[Result], dict[str, Any]]:
    """How alike works of the corpus are to the rest of it, and how many copies of works are found.

    Both depend on the corpus and on how scores are computed, so nothing is compared again when only images or
    thresholds change.

    Args:
        by: The corpus.
        count: How many works to compare with the rest, and how many copies to plant.
        progress: See `compare`.

    Returns:
        The result for each of these works, and what `recall` says of the copies.
    """
    works, copies = sampled(by.corpus, count), planted(by.corpus, count)
    results = compare([*works, *(copy.query for copy in copies)], by, progress)
    return results[: len(works)], recall(copies, results[len(works) :])


def recall(copies: Sequence[Planted], results: Sequence[Result]) -> dict[str, Any]:
    """How many of the copies were found: their verdict is `fail` or `review`, and their work is among the matches."""
    recognised = [_found(copy, result) for copy, result in zip(copies, results, strict=True)]
    made = Counter(copy.transform for copy in copies)
    caught = Counter(copy.transform for copy, is_recognised in zip(copies, recognised, strict=True) if is_recognised)
    return {
        "what": "copies of works of the corpus, planted for this audit, whose work was found",
        "planted": len(copies),
        "found": sum(recognised),
        "recall": sum(recognised) / len(copies) if copies else None,
        "by_transform": {name: {"planted": made[name], "found": caught[name]} for name in TRANSFORMS if made[name]},
    }


def _found(copy: Planted, result: Result) -> bool:
    matched = {match["reference_sha256"] for match in result["matches"]}
    return result["verdict"] in ("fail", "review") and copy.source in matched


def _drawn(corpus: Corpus, purpose: str, count: int) -> list[str]:
    """Works in the order of a hash of their hash; of a small corpus each several times."""
    order = sorted(corpus.works, key=lambda sha256: hashlib.sha256(f"{purpose}:{sha256}".encode()).digest())
    if purpose == "baseline":
        return order[:count]
    return [order[i % len(order)] for i in range(count)]


def _itself(corpus: Corpus, sha256: str) -> Query:
    return Query(corpus.works[sha256].file.title, f"baseline:{sha256}", WorkItself(sha256), excluded=sha256)


def _copy(corpus: Corpus, sha256: str, transform: str) -> Planted:
    name = f"{corpus.works[sha256].file.title}, {transform}"
    return Planted(sha256, transform, Query(name, f"planted:{transform}:{sha256}", CopyOfWork(sha256, transform)))
