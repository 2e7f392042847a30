"""Views of images: an image has one verdict, whatever the number of its views."""

from collections.abc import Mapping, Sequence
from typing import Any

from twig_assets.similarity import is_behind, severity
from twig_assets.similarity.corpus.decode import frame_of
from twig_assets.similarity.detectors.registry import detectors
from twig_assets.similarity.result import KEPT_MATCHES
from twig_assets.similarity.verdicts.rule import weight

_LISTED = 5
_OF_ONE_VIEW = ("contrast", "mask_pixels")


def worst_view(results: Mapping[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """The verdict on an image from those on its views; the worst counts.

    A view that cannot be judged does not count if its frame is judged on another ground.

    Args:
        results: Label of each view -> its result, against works; one at least.

    Returns:
        The label of the view that the verdict rests on, and the image's result: its scores are the nearest to a copy
        of all views, its matches the nearest of all views, each with its `view`.
    """
    judged = {frame_of(label) for label, result in results.items() if result["verdict"] != "inconclusive"}
    counted = {
        label: result
        for label, result in results.items()
        if result["verdict"] != "inconclusive" or frame_of(label) not in judged
    }
    ranked = sorted(counted, key=lambda label: _order(counted[label]))
    worst = counted[ranked[0]]
    reasons = [f"{ranked[0]}: {reason}" if ranked[0] else reason for reason in worst["reasons"]]
    alike = [label for label in ranked[1:] if counted[label]["verdict"] == worst["verdict"] != "pass"]
    if alike:
        more = f" and {len(alike) - _LISTED} more" if len(alike) > _LISTED else ""
        reasons.append(f"the verdict on further views is the same: {'; '.join(alike[:_LISTED])}{more}")
    together = {"reasons": reasons, "matches": _matches(counted, ranked[0])}
    if worst["verdict"] != "inconclusive":
        together["scores"] = _nearest_scores(worst["scores"], [result["scores"] for result in counted.values()])
    return ranked[0], {**worst, **together}


def _matches(results: Mapping[str, dict[str, Any]], worst: str) -> list[dict[str, Any]]:
    """The nearest matches of all views, those behind the verdict first; of each work the first."""
    result = results[worst]
    if result["verdict"] == "inconclusive":
        return [{**match, "view": worst} for match in result["matches"]]
    everything = [{**match, "view": label} for label, of_view in results.items() for match in of_view["matches"]]

    def order(match: dict[str, Any]) -> tuple[bool, bool, float]:
        is_first = match["view"] == worst and match["reference_sha256"] == result["nearest"]
        return not is_first, not is_behind(match, result["thresholds"], result["verdict"]), -match["ssim"]

    ordered = everything if len(results) == 1 else sorted(everything, key=order)
    of_works: dict[str, dict[str, Any]] = {}
    for match in ordered:
        of_works.setdefault(match["reference_sha256"], match)
    return _ranked(list(of_works.values()))


def _ranked(matches: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**match, "rank": rank} for rank, match in enumerate(matches[:KEPT_MATCHES], 1)]


def _nearest_scores(worst: Mapping[str, float | None], scores: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    """Of each score the one nearest to a copy; what describes a single view is that of the worst."""
    low_is_near = {detector.score for detector in detectors() if detector.direction == "<="}
    nearest = dict(worst)
    for name in nearest:
        known = [value for of_view in scores if (value := of_view.get(name)) is not None]
        if name not in _OF_ONE_VIEW and known:
            nearest[name] = min(known) if name in low_is_near else max(known)
    return nearest


def _order(result: Mapping[str, Any]) -> tuple[int, tuple[float, ...], float]:
    """A key that sorts the most severe first, and of equals those for which most speaks."""
    weights = [weight(match, result["thresholds"])[1:] for match in result["matches"]]
    return severity(result["verdict"]), tuple(-part for part in max(weights, default=())), -_ssim(result)


def _ssim(result: Mapping[str, Any]) -> float:
    score: float | None = result["scores"].get("ssim")
    return -2.0 if score is None else score
