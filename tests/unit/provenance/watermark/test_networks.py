"""A watermark by a network that the user brings: here one that adds and finds fixed patterns."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pydantic import SecretBytes

from twig_assets.provenance.watermark import Watermark, WatermarkError, WatermarkKey
from twig_assets.provenance.watermark.networks import OnnxWatermark
from twig_assets.provenance.watermark.protocol import psnr
from twig_assets.settings.watermark import WatermarkNetwork

SIDE, BITS = 32, 100
KEY = WatermarkKey(SecretBytes(b"k" * 32))
PAYLOAD = bytes.fromhex("0123456789ab")


def network(folder: Path) -> WatermarkNetwork:
    """Encoder: picture + (2 bits - 1) patterns / 300; decoder: the picture times each pattern, of mean 0."""
    drawn = np.random.default_rng(5).normal(size=(3 * SIDE * SIDE, BITS))
    patterns = np.linalg.qr(drawn - drawn.mean(axis=0))[0].T.astype(np.float32) * 30
    size = [1, 3, SIDE, SIDE]
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, size)
    bits = helper.make_tensor_value_info("bits", TensorProto.FLOAT, [1, BITS])

    def array(name: str, values: np.ndarray) -> onnx.TensorProto:
        return numpy_helper.from_array(values, name)

    encoder = helper.make_graph(
        [
            helper.make_node("Mul", ["bits", "two"], ["doubled"]),
            helper.make_node("Sub", ["doubled", "one"], ["signs"]),
            helper.make_node("MatMul", ["signs", "patterns"], ["flat"]),
            helper.make_node("Reshape", ["flat", "shape"], ["change"]),
            helper.make_node("Add", ["picture", "change"], ["marked"]),
        ],
        "encoder",
        [picture, bits],
        [helper.make_tensor_value_info("marked", TensorProto.FLOAT, size)],
        [
            array("two", np.float32([2])),
            array("one", np.float32([1])),
            array("patterns", patterns / 300),
            array("shape", np.array(size, np.int64)),
        ],
    )
    decoder = helper.make_graph(
        [
            helper.make_node("Flatten", ["picture"], ["flat"]),
            helper.make_node("MatMul", ["flat", "columns"], ["values"]),
        ],
        "decoder",
        [picture],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, [1, BITS])],
        [array("columns", np.ascontiguousarray(patterns.T))],
    )
    files = {}
    for graph in (encoder, decoder):
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        files[graph.name] = folder / f"{graph.name}.onnx"
        onnx.save(model, str(files[graph.name]))
    hashes = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    return WatermarkNetwork(
        name="stand-in",
        encoder=files["encoder"],
        encoder_sha256=hashes["encoder"],
        decoder=files["decoder"],
        decoder_sha256=hashes["decoder"],
        side=SIDE,
        bits=BITS,
    )


def plain(side: int = 96) -> np.ndarray:
    return np.full((side, side, 3), 120, np.uint8)


def test_a_network_writes_and_reads_behind_the_same_protocol(tmp_path: Path) -> None:
    mark: Watermark = OnnxWatermark(KEY, network(tmp_path))
    marked = mark.embed(plain(), PAYLOAD)
    assert marked.shape == plain().shape
    assert 30 < psnr(plain(), marked) < 60
    others = [KEY.payload(bytes([number])) for number in range(20)]
    reading = mark.read(np.rot90(marked), [*others, PAYLOAD])
    assert reading is not None
    assert (reading.payload, reading.how) == (PAYLOAD, "rotate-270")
    assert mark.read(plain(), [*others, PAYLOAD]) is None
    assert mark.method == "onnx-stand-in"


def test_another_file_than_the_policy_names_is_not_opened(tmp_path: Path) -> None:
    named = network(tmp_path)
    with pytest.raises(WatermarkError, match="is not the file that the policy names"):
        OnnxWatermark(KEY, named.model_copy(update={"decoder_sha256": "0" * 64}))
    named.encoder.unlink()
    with pytest.raises(WatermarkError, match="cannot be read"):
        OnnxWatermark(KEY, named)
