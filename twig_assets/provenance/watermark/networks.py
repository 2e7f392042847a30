"""A watermark by networks that the user brings, such as TrustMark or Pixel Seal: an encoder and a decoder in ONNX."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from twig_assets.provenance.watermark.error_correction import KeyedCode, agreement, chance, least_agreement
from twig_assets.provenance.watermark.key import WatermarkKey
from twig_assets.provenance.watermark.protocol import PAYLOAD_BYTES, Reading, WatermarkError
from twig_assets.settings.watermark import WatermarkNetwork
from twig_assets.similarity.orientations import ORIENTATIONS, oriented

_UNKNOWN = 1 << (8 * PAYLOAD_BYTES)


class OnnxWatermark:
    """The watermark of a network; see `Watermark`. The key says which bits stand for a payload."""

    def __init__(self, key: WatermarkKey, network: WatermarkNetwork) -> None:
        """Open the files.

        Raises:
            WatermarkError: If a file is missing or another one than the policy names, or onnxruntime is not installed.
        """
        self.method, self.key_id = f"onnx-{network.name}", key.id
        self._network, self._code = network, KeyedCode(key, network.bits)
        self._encoder = _opened(network.encoder, network.encoder_sha256)
        self._decoder = _opened(network.decoder, network.decoder_sha256)

    def embed(self, pixels: np.ndarray, payload: bytes) -> np.ndarray:
        """See `Watermark.embed`: what the network changes at its own size is added at the picture's size."""
        import cv2

        word = self._code.words(np.frombuffer(payload, np.uint8)[None])
        small = self._scaled(pixels)
        [marked] = _run(self._encoder, [small, (word < 0).astype(np.float32)])
        if marked.shape != small.shape:
            raise WatermarkError(f"{self._network.encoder}: gives a picture of {marked.shape}, not {small.shape}")
        change = (marked - small)[0].transpose(1, 2, 0)
        height, width = pixels.shape[:2]
        grown = cv2.resize(np.ascontiguousarray(change), (width, height), interpolation=cv2.INTER_LINEAR)
        scale = 127.5 if self._network.value_range == "signed" else 255.0
        return np.asarray(np.clip(np.rint(pixels + scale * grown), 0, 255), np.uint8)

    def read(self, pixels: np.ndarray, known: Collection[bytes] = ()) -> Reading | None:
        """See `Watermark.read`; in eight orientations."""
        soft = np.concatenate([self._soft(oriented(pixels, name)) for name in ORIENTATIONS])
        payloads = sorted(known) or [self._code.decode(row) for row in soft]
        words = self._code.words(np.frombuffer(b"".join(payloads), np.uint8).reshape(-1, PAYLOAD_BYTES))
        agreements = agreement(soft, words)
        row, column = np.unravel_index(int(agreements.argmax()), agreements.shape)
        possible, best = len(payloads) if known else _UNKNOWN, float(agreements[row, column])
        if best < least_agreement(possible, len(soft)):
            return None
        how = "as it is" if row == 0 else ORIENTATIONS[int(row)]
        return Reading(payloads[int(column)], chance(best, possible, len(soft)), how)

    def _soft(self, pixels: np.ndarray) -> np.ndarray:
        """The decoder's values, positive for a bit 0: float32 (1, bits)."""
        [values] = _run(self._decoder, [self._scaled(pixels)])
        if values.shape != (1, self._network.bits):
            raise WatermarkError(f"{self._network.decoder}: gives {values.shape}, not (1, {self._network.bits}) values")
        # Values far beyond the others are no surer than these.
        return np.asarray(-np.tanh(values), np.float32)

    def _scaled(self, pixels: np.ndarray) -> np.ndarray:
        import cv2

        side = self._network.side
        how = cv2.INTER_AREA if min(pixels.shape[:2]) > side else cv2.INTER_LINEAR
        small = cv2.resize(np.ascontiguousarray(pixels), (side, side), interpolation=how).astype(np.float32)
        scaled = small / 127.5 - 1 if self._network.value_range == "signed" else small / 255
        return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


def _opened(path: Path, sha256: str) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise WatermarkError("a network for watermarks needs onnxruntime; pip install 'twig-assets[onnx]'") from error
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WatermarkError(f"{path}: cannot be read ({error.strerror}); it is named by the policy") from error
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise WatermarkError(f"{path}: is not the file that the policy names: its SHA-256 is {found}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime raises a class of its own for every kind of damage.
        raise WatermarkError(f"{path}: is no network that onnxruntime opens: {error}") from error


def _run(session: Any, values: list[np.ndarray]) -> list[np.ndarray]:
    names = [given.name for given in session.get_inputs()]
    if len(names) != len(values):
        raise WatermarkError(f"the network takes {len(names)} inputs ({', '.join(names)}), {len(values)} are needed")
    return [np.asarray(result, np.float32) for result in session.run(None, dict(zip(names, values, strict=True)))[:1]]
