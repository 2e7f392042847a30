"""Counting what a report says, a line at a time."""

from collections import Counter

import numpy as np

from twig_assets.reports.data import Bar, Counts, PromptLine, Scored

BINS = 40


class Tally:
    """The figures of a report, as far as lines were added to it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._outcomes: Counter[str] = Counter()
        self._terms: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._scores: list[float] = []
        self._bins = [Counter[str]() for _ in range(BINS)]

    def add(self, line: PromptLine) -> None:
        """Count a prompt."""
        self._outcomes[line.outcome] += 1
        self._others["named"] += bool(line.named)
        self._others["withdrawn"] += bool(line.ended) and line.published is None
        if line.published is not None:
            self._add_published(line.published.image, line.published.terms)
        published = line.published.image.picture.sha256 if line.published else None
        for image in line.images:
            self._add_image(image, published)

    def _add_published(self, image: Scored, terms: str) -> None:
        self._terms[terms] += 1
        self._others["narrow"] += terms == "as_asked" and image.adherence is not None and image.adherence.narrow
        if image.ssim is not None:
            self._scores.append(image.ssim)

    def _add_image(self, image: Scored, published: str | None) -> None:
        self._others["images"] += 1
        self._others["audited"] += image.verdict is not None
        self._others["failed"] += image.verdict == "fail"
        if image.ssim is not None:
            step = min(BINS - 1, max(0, int(image.ssim * BINS)))
            self._bins[step][_fate(image, published)] += 1

    def counts(self) -> Counts:
        """The headline."""
        outcomes, terms, others = self._outcomes, self._terms, self._others
        return Counts(
            asked=outcomes.total(),
            released=terms.total(),
            released_as_asked=terms["as_asked"],
            released_narrowly=others["narrow"],
            released_waived=terms["waived"],
            released_cannot_tell=terms["cannot_tell"],
            released_unjudged=terms["unjudged"],
            released_unsafe=terms["withdraw"],
            waiting=outcomes["waiting"],
            withheld=outcomes["quarantined"] + outcomes["rejected"],
            unfinished=outcomes["failed"] + outcomes["unfinished"],
            quarantined=outcomes["quarantined"],
            withdrawn=others["withdrawn"],
            named=others["named"],
            images=others["images"],
            audited=others["audited"],
            failed=others["failed"],
            worst_released_ssim=max(self._scores, default=None),
            ssim_95_released=float(np.percentile(self._scores, 95)) if self._scores else None,
        )

    def spread(self) -> list[Bar]:
        """How many audited images reach which SSIM, in steps of 1/40 from 0 to 1; scores below 0 count as 0."""
        return [Bar(low=i / BINS, high=(i + 1) / BINS, **counts) for i, counts in enumerate(self._bins)]


def _fate(image: Scored, published: str | None) -> str:
    if image.picture.sha256 == published:
        return "released"
    return "failed" if image.verdict == "fail" else "held"
