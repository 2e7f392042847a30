"""What scores are called and what they count, for a person."""

from twig_assets.similarity.detectors.registry import detectors

_SSIM = "structural similarity, the best of eight orientations, -1 to 1: an exact copy has 1"
_STRUCTURAL = {
    "ssim": ("SSIM", _SSIM),
    "masked_ssim": ("SSIM inside the mask", f"{_SSIM}; inside the mask"),
    "iw_ssim": (
        "SSIM weighted by information",
        "structural similarity weighted by information, -1 to 1: an exact copy has 1",
    ),
    "masked_iw_ssim": (
        "SSIM inside the mask, weighted by information",
        "structural similarity inside the mask weighted by information, -1 to 1: an exact copy has 1",
    ),
}


def title_of(score: str) -> str:
    """What a score is called."""
    return names()[score][0] if score in names() else score.replace("_", " ")


def unit_of(score: str) -> str:
    """What a score counts; empty for one that nothing is known of."""
    return names()[score][1] if score in names() else ""


def names() -> dict[str, tuple[str, str]]:
    """Score -> what it is called, and what it counts."""
    return _STRUCTURAL | {detector.score: (detector.title, detector.unit) for detector in detectors()}
