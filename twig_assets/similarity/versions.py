"""What scores depend on: this project's own way of computing them, and the libraries."""

from functools import cache
from importlib.metadata import version

from twig_assets.similarity.detectors.networks import packaged_versions

LIBRARIES = ("scikit-image", "numpy", "scipy", "pillow", "opencv-python-headless", "pdqhash", "faiss-cpu")
SCORING = "4"
"""Raised when this project's own scores change, so that no verdict rests on scores of before."""


def library_versions() -> dict[str, str]:
    """Name -> version of the installed libraries that scores and verdicts depend on, and of the scoring itself."""
    return {"scoring": SCORING, **_installed(), **packaged_versions()}


@cache
def _installed() -> dict[str, str]:
    return {library: version(library) for library in LIBRARIES}
