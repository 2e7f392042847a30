"""Thresholds for a folder of protected works, from a folder of images that do not copy them."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twig_assets.engines import opened_engine
from twig_assets.files import page_templates, write_whole
from twig_assets.folder_audit.compare import Comparing, Result, compare
from twig_assets.folder_audit.corpus import prepare_corpus
from twig_assets.folder_audit.descriptions import describe_works
from twig_assets.folder_audit.looks import Looks, differences, looks_of
from twig_assets.folder_audit.planted import planted
from twig_assets.folder_audit.progress import Bar, CompareBars
from twig_assets.folder_audit.run import IN_PROCESS, files_to_audit
from twig_assets.folder_audit.summary import OPINION
from twig_assets.folder_audit.verdicts import judge
from twig_assets.folder_audit.work import WorkError, WorkFolder
from twig_assets.similarity import Calibration, Limit, Policy
from twig_assets.similarity.verdicts.calibrate import Proposal, Scores, propose
from twig_assets.similarity.verdicts.naming import names

BINS = 48


@dataclass(frozen=True)
class Proposed:
    """A proposed policy and what it is worth.

    Attributes:
        calibration: The proposal.
        clean: What the clean images look like; None if none of them can be read.
        warnings: Why it may not hold, each a sentence with what to do.
    """

    calibration: Calibration
    clean: Looks | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Chart:
    """Two distributions on one scale: shares of the clean images and of the copies in each of BINS steps, 0 to 1."""

    low: float
    high: float
    clean: list[float]
    copies: list[float]
    threshold: float | None


def calibrate_folder(
    images: Path,
    references: Path,
    policy: Policy,
    out: Path,
    *,
    false_alarms: float = 0.01,
    copies: int = 72,
    loosen: bool = False,
    like: Path | None = None,
    follow_links: bool = False,
    bars: bool = False,
) -> Proposed:
    """Propose a policy; writes `policy.yaml` and `calibration.html`, and goes on where an earlier run stopped.

    Args:
        images: A folder of images that do not copy any of the references.
        references: The folder of protected works.
        policy: Gives all fields that are not calibrated.
        out: Where results go; the folder of an earlier audit saves comparing again.
        false_alarms: Wanted share of clean images that fail.
        copies: How many copies of works to plant, to see what the thresholds find.
        loosen: Whether a threshold may become looser than it is in `policy`.
        like: A folder of images that are to be audited, to see whether the clean ones are like them.
        follow_links: Whether links are followed that lead out of the folders.
        bars: Whether to show progress on standard error.

    Raises:
        FolderAuditError: If there are no images, or `out` lies within one of the folders that are read.
        CalibrationError: If the share is impossible, or the images cannot be calibrated on.
        CorpusError: If the references cannot be used.
        WorkError: If `out` cannot be used, or a file changes while it is read.
    """
    files, _ = files_to_audit(images, references, out, follow_links)
    audited, _ = files_to_audit(like, references, out, follow_links) if like else ([], [])
    with closing(WorkFolder(out / "work")) as work:
        with Bar("reading references", "files", bars) as bar:
            corpus = prepare_corpus(references, work, bar.reach, follow_links)
        with opened_engine(IN_PROCESS) as opened:
            by = Comparing(corpus, policy, work, opened)
            with Bar("describing references", "views", bars) as bar:
                describe_works(corpus, policy, work, opened, bar.reach)
            with Bar("reading images", "files", bars) as bar, CompareBars("clean images", bars) as progress:
                judged = judge(files, by, bar.reach, progress)
            with CompareBars("planted copies", bars) as progress:
                planted_results = compare([copy.query for copy in planted(corpus, copies)], by, progress)
    distinct = {image.sha256 or image.file.name: image.result for image in judged}.values()
    calibration = propose(_scores(list(distinct)), _scores(planted_results), policy, false_alarms, loosen)
    clean = looks_of(files)
    proposed = Proposed(calibration, clean, _warnings(calibration, clean, looks_of(audited)))
    try:
        write_whole(out / "policy.yaml", policy_file(proposed))
        write_whole(out / "calibration.html", _page(proposed))
    except OSError as error:
        raise WorkError(f"{out}: cannot be written ({error.strerror}); free some space and run it again") from error
    return proposed


def policy_file(proposed: Proposed) -> str:
    """The proposed policy as YAML, each threshold with what it was chosen by."""
    calibration = proposed.calibration
    comments = {proposal.limit.field: _comment(proposal) for proposal in calibration.proposals}
    lines = [
        f"# Proposed from {calibration.images} clean images and {calibration.copies} planted copies, for "
        f"{calibration.wanted:.2%} false alarms at most.",
        f"# All thresholds together: {calibration.false_alarms:.2%} of the clean images fail (with 95 % confidence not "
        f"above {calibration.upper:.2%}).",
        *([f"# The clean images: {proposed.clean}. The thresholds hold for images like these."] * bool(proposed.clean)),
        *(f"# Beware: {warning}." for warning in proposed.warnings),
        f"# {OPINION}",
    ]
    for field, value in calibration.policy.model_dump(mode="json").items():
        lines += [f"# {comments[field]}"] if field in comments else []
        lines.append(f"{field}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def chart(proposal: Proposal) -> Chart:
    """The two distributions of a score."""
    threshold = [] if proposal.limit.value is None else [proposal.limit.value]
    every = [*proposal.clean, *proposal.copies, *threshold]
    low, high = min(every), max(every)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)

    def shares(scores: Sequence[float]) -> list[float]:
        counts = np.histogram(scores, edges)[0]
        return [float(share) for share in counts / max(1, len(scores))]

    return Chart(low, float(edges[-1]), shares(proposal.clean), shares(proposal.copies), proposal.limit.value)


def _comment(proposal: Proposal) -> str:
    nearest = (max if proposal.limit.direction == ">=" else min)(proposal.clean)
    detected = "" if proposal.detected is None else f"; alone it finds {proposal.detected:.0%} of the copies"
    return f"Clean images come as near as {nearest:.3g}; {proposal.false_alarms:.2%} of them fail by this{detected}."


def _scores(results: Sequence[Result]) -> list[Scores | None]:
    return [None if result["verdict"] == "inconclusive" else result["scores"] for result in results]


def _warnings(calibration: Calibration, clean: Looks | None, audited: Looks | None) -> tuple[str, ...]:
    differing = differences(clean, audited) if clean and audited else []
    if calibration.images >= calibration.images_wanted:
        return tuple(differing)
    few = (
        f"{calibration.images} clean images can promise no less than {calibration.promise:.1%} false alarms, even if "
        f"none of them fails; take {calibration.images_wanted} or more for {calibration.wanted:.1%}"
    )
    return few, *differing


def _page(proposed: Proposed) -> str:
    calibration = proposed.calibration
    environment = page_templates(Path(__file__).parent)
    environment.filters["sign"] = _sign
    charts = [(proposal, chart(proposal)) for proposal in calibration.proposals]
    return environment.get_template("calibration.html.j2").render(
        c=calibration,
        charts=charts,
        opinion=OPINION,
        clean=proposed.clean,
        warnings=proposed.warnings,
        titles={score: title for score, (title, _) in names().items()},
        units={score: unit for score, (_, unit) in names().items()},
    )


def _sign(limit: Limit) -> str:
    value = "off" if limit.value is None else f"{limit.value:g}"
    return f"{'≥' if limit.direction == '>=' else '≤'} {value}"
