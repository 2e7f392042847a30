"""The hashes of imagededup and perception, to be measured beside the detectors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

INSTALL = "pip install -e '.[bench]' && pip install --no-deps imagededup==0.3.3.post2 perception==0.9.3"
"""Without their requirements: perception's hold back rich, and bring a second OpenCV."""

Hasher = Callable[[np.ndarray], np.ndarray]
"""uint8 picture (h, w, 3) -> bool vector."""


class MissingPeersError(RuntimeError):
    """imagededup or perception is not installed; the message says how to."""


def hashers() -> dict[str, dict[str, Hasher]]:
    """Peer -> name -> hasher, each as its library makes it by default.

    imagededup's CNN and perception's hashes of OpenCV's contrib modules are not among them: the first downloads its
    weights, the second need another build of OpenCV.

    Raises:
        MissingPeersError: If they are not installed.
    """
    if not (find_spec("imagededup") and find_spec("perception")):
        raise MissingPeersError(f"imagededup or perception is not installed: {INSTALL}")
    from imagededup import methods
    from perception import hashers as theirs

    ours = {name: _imagededup(getattr(methods, name)()) for name in ("PHash", "DHash", "AHash", "WHash")}
    names = ("PHash", "DHash", "AverageHash", "WaveletHash", "PDQHash")
    return {"imagededup": ours, "perception": {name: _perception(getattr(theirs, name)()) for name in names}}


def _imagededup(method: Any) -> Hasher:
    def bits(picture: np.ndarray) -> np.ndarray:
        return np.unpackbits(np.frombuffer(bytes.fromhex(method.encode_image(image_array=picture)), np.uint8)) > 0

    return bits


def _perception(hasher: Any) -> Hasher:
    def bits(picture: np.ndarray) -> np.ndarray:
        return np.asarray(hasher.compute(picture, hash_format="vector")) > 0

    return bits


@dataclass(eq=False)
class PeerIndex:
    """The references' hashes by every hasher of both peers."""

    pictures: Sequence[np.ndarray]
    hashers: dict[str, dict[str, Hasher]]
    _hashes: dict[tuple[str, str], np.ndarray] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for peer, name, hasher in self._all():
            self._hashes[peer, name] = np.stack([hasher(picture) for picture in self.pictures])

    def scores(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """`peer name` -> minus the Hamming distance to each reference, float (N,)."""
        return {
            f"{peer} {name}": -(self._hashes[peer, name] != hasher(image)).sum(axis=1).astype(float)
            for peer, name, hasher in self._all()
        }

    def _all(self) -> list[tuple[str, str, Hasher]]:
        return [(peer, name, hasher) for peer, hashers in self.hashers.items() for name, hasher in hashers.items()]
