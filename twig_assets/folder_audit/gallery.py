"""One page with the images, the worst first, that needs nothing else and can be mailed."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from markupsafe import Markup

from twig_assets.files import page_templates, write_whole
from twig_assets.folder_audit.compare import Result
from twig_assets.folder_audit.corpus import Corpus, Work
from twig_assets.folder_audit.pictures import Pictures
from twig_assets.folder_audit.verdicts import Judged
from twig_assets.folder_audit.waivers import Waiver
from twig_assets.folder_audit.what_if import scores_of
from twig_assets.similarity import SEVERITY, Limit, Policy, limits
from twig_assets.similarity.detectors.registry import detectors
from twig_assets.similarity.verdicts.rule import CERTAIN, CERTAINLY_INFORMED

BINS = 40
_TURNS = {"90": "turned a quarter left", "180": "turned upside down", "270": "turned a quarter right"}


@dataclass(frozen=True)
class Card:
    """An image on the page."""

    judged: Judged
    pictures: Pictures
    work: Work | None


@dataclass(frozen=True)
class About:
    """An audit as its page names it.

    Attributes:
        images: The folder of images, as it was named, printable.
        references: The folder of works, likewise.
        policy: The thresholds in use.
        made_at: When the audit ended, in UTC.
    """

    images: str
    references: str
    policy: Policy
    made_at: datetime


@dataclass(frozen=True)
class Bar:
    """How many images, by verdict, and works of the corpus have their highest SSIM in one step of the scale."""

    low: float
    high: float
    counts: dict[str, int]
    baseline: int


def write_gallery(
    judged: Sequence[Judged],
    drawn: Sequence[Pictures],
    waived: dict[str, list[Waiver]],
    summary: dict[str, Any],
    corpus: Corpus,
    baseline: Sequence[Result],
    path: Path,
    about: About,
) -> None:
    """Write the page; it appears whole or not at all.

    Args:
        judged: Every file with its verdict.
        drawn: The pictures of the images that it shows, in the order of `most_severe`.
        waived: Name of a file -> the decisions that let it through.
        summary: The figures that `summarize` gives.
        corpus: The works that the images were compared with.
        baseline: Results of works of the corpus against the rest of it.
        path: Where the page goes.
        about: What it says of the audit itself.

    Raises:
        OSError: If it cannot be written.
    """
    environment = page_templates(Path(__file__).parent)
    environment.filters["score"] = lambda value: "–" if value is None else f"{value:.3f}"
    environment.filters["turn"] = turn
    environment.globals["limits"] = limits
    environment.filters["tally"] = lambda counts: sum(counts.values())
    worst = most_severe(judged)
    cards = [_card(image, of_image, corpus) for image, of_image in zip(worst, drawn, strict=False)]
    policy = about.policy
    script = (Path(__file__).parent / "gallery.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.get_template("gallery.html.j2").render(
        s=summary,
        cards=cards,
        left=len(judged) - len(cards),
        bars=bars(judged, baseline),
        severity=SEVERITY,
        detectors=detectors(),
        works=corpus.works,
        waived=waived,
        data=scores_of(worst, worst[: len(cards)], policy),
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=f"sha256-{digest}",
        policy_words=in_words(policy),
        tool_version=version("twig-assets"),
        made_at=about.made_at,
        images_folder=about.images,
        references_folder=about.references,
    )
    write_whole(path, page)


def most_severe(judged: Sequence[Judged]) -> list[Judged]:
    """The images in the order of the page."""
    return sorted(judged, key=lambda image: image.order)


def bars(judged: Sequence[Judged], baseline: Sequence[Result]) -> list[Bar]:
    """How many reach which SSIM, in steps of 1/40 from 0 to 1; scores below 0 count as 0."""
    counts: list[dict[str, int]] = [dict.fromkeys(map(str, SEVERITY), 0) for _ in range(BINS)]
    works = [0] * BINS
    for image in judged:
        if image.ssim is not None:
            counts[_step(image.ssim)][image.verdict] += 1
    for result in baseline:
        if (score := result["scores"].get("ssim")) is not None:
            works[_step(score)] += 1
    return [Bar(i / BINS, (i + 1) / BINS, counts[i], works[i]) for i in range(BINS)]


def turn(transform: str) -> str:
    """An orientation in plain words: how the protected work was turned for the match."""
    mirrored, _, angle = transform.rpartition("-")
    if transform == "identity":
        return "as it is"
    if transform == "mirror":
        return "mirrored"
    return "mirrored and " * mirrored.startswith("mirror") + _TURNS[angle]


def in_words(policy: Policy) -> str:
    """What a policy's thresholds mean, in two or three sentences."""
    fields = policy.model_dump(mode="json")
    by_score = {limit.score: limit for limit in limits(fields)}
    on = [(found, limit) for found in detectors() if (limit := by_score.get(found.score)) and limit.value is not None]
    used = [(found, limit) for found, limit in on if found.opened(fields)]
    ssim = by_score["ssim"]
    clauses = [f"SSIM is {ssim.value:g} or more{_borne_out(ssim, bool(used))}"]
    for detector, limit in used:
        clauses.append(f"{detector.title} {limit.value:g} or {'more' if detector.direction == '>=' else 'less'}")
    return f"An image fails if {'; or if '.join(clauses)}.{_looked_at(ssim, bool(used))}"


def _borne_out(ssim: Limit, detected: bool) -> str:
    if not ssim.support:
        return ""
    agreeing = " while a detector comes near its own threshold" if detected else ""
    certain = (
        f" (weighted {CERTAINLY_INFORMED:g} or more, or SSIM {CERTAIN:g}, is enough by itself)" if detected else ""
    )
    return f", weighted by information {ssim.support.value:g} or more{agreeing}{certain}"


def _looked_at(ssim: Limit, detected: bool) -> str:
    alone = "where no detector agrees with SSIM" if ssim.support and detected else ""
    below = f"at what is up to {ssim.margin:g} below its threshold" if ssim.margin else ""
    return f" A person looks {' and '.join(filter(None, (alone, below)))}." if alone or below else ""


def _step(score: float) -> int:
    return min(BINS - 1, max(0, int(score * BINS)))


def _card(image: Judged, of_image: Pictures, corpus: Corpus) -> Card:
    nearest = image.nearest_match
    return Card(image, of_image, corpus.works[nearest["reference_sha256"]] if nearest else None)
