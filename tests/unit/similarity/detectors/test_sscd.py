"""SSCD and CLIP."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests.unit.similarity.pictures import noise
from tests.unit.similarity.plain_pictures import KINDS
from twig_assets.similarity import Policy, ReferenceImage, audit
from twig_assets.similarity.corpus.index import ReferenceIndex, gather
from twig_assets.similarity.detectors import networks
from twig_assets.similarity.detectors.clip import Clip
from twig_assets.similarity.detectors.networks import ModelFileError
from twig_assets.similarity.detectors.plainness import ground_share
from twig_assets.similarity.detectors.registry import opened_sources
from twig_assets.similarity.detectors.sscd import Sscd


class Means(torch.nn.Module):
    """Mean colours of a 4 x 4 grid: a stand-in that has SSCD's interface."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(pixels, 4).flatten(1)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sscd") / "model.torchscript.pt"
    torch.jit.save(torch.jit.script(Means()), path)
    return path


def sscd_policy(path: Path, **changes: object) -> Policy:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Policy.model_validate({"sscd_file": str(path), "sscd_sha256": sha256, "sscd_side": 64, **changes})


def test_a_copy_fails_by_the_file_that_the_user_brings_and_the_audit_records_it(
    script: Path, works: np.ndarray, corpus: list[ReferenceImage]
) -> None:
    policy = sscd_policy(script, sscd_cosine_at_least=0.45)
    [result] = audit(works[2:3], corpus, policy)
    assert "sscd" in result.matches[0].fired
    assert 0.48 < (result.scores["sscd_cosine"] or 0) < 1.001
    assert result.matches[0].scores["sscd_cosine"] == result.scores["sscd_cosine"]
    recorded = {name: result.thresholds[name] for name in ("sscd_sha256", "sscd_side", "sscd_cosine_at_least")}
    assert recorded == {"sscd_sha256": policy.sscd_sha256, "sscd_side": 64, "sscd_cosine_at_least": 0.45}


def test_another_file_than_the_policy_names_is_not_opened(script: Path, tmp_path: Path) -> None:
    policy = sscd_policy(script)
    other = tmp_path / "other.pt"
    other.write_bytes(script.read_bytes() + b"x")
    with pytest.raises(ModelFileError, match="it is not opened"):
        Sscd().opened({**policy.model_dump(), "sscd_file": str(other)})
    with pytest.raises(ModelFileError, match="cannot be read"):
        Sscd().opened({**policy.model_dump(), "sscd_file": str(tmp_path / "none.pt")})
    other.write_bytes(b"no model")
    with pytest.raises(ModelFileError, match="is no TorchScript model"):
        Sscd().opened(sscd_policy(other).model_dump())


def test_a_file_without_its_hash_is_refused() -> None:
    with pytest.raises(ValidationError, match="give both or neither"):
        Policy(sscd_file="model.pt")


def test_a_policy_turns_the_network_off(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    policy = Policy(sscd_network="none")
    [result] = audit(works[:1], corpus, policy)
    assert result.scores["sscd_cosine"] is None
    assert result.matches[0].scores["sscd_cosine"] is None
    assert "sscd" not in {source.descriptor for source in opened_sources(policy.model_dump())}


def onnx_file(folder: Path, integers: bool) -> Path:
    """Mean colours of a 4 x 4 grid again, of pictures as bytes or normalised."""
    onnx = pytest.importorskip("onnx")
    kind = onnx.TensorProto.UINT8 if integers else onnx.TensorProto.FLOAT
    shape = ["batch", 64, 64, 3] if integers else ["batch", 3, 64, 64]
    nodes = [
        onnx.helper.make_node("Cast", ["picture"], ["values"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Transpose", ["values"], ["planes"], perm=[0, 3, 1, 2] if integers else [0, 1, 2, 3]),
        onnx.helper.make_node("AveragePool", ["planes"], ["means"], kernel_shape=[16, 16], strides=[16, 16]),
        onnx.helper.make_node("Flatten", ["means"], ["vector"]),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "means",
        [onnx.helper.make_tensor_value_info("picture", kind, shape)],
        [onnx.helper.make_tensor_value_info("vector", onnx.TensorProto.FLOAT, ["batch", 48])],
    )
    path = folder / "model.onnx"
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("integers", [True, False])
def test_an_onnx_file_is_given_pictures_in_the_form_it_takes(integers: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    opened = Sscd().opened(sscd_policy(onnx_file(tmp_path, integers)).model_dump())
    assert opened is not None
    red, blue = (noise(64, 64) * np.array(mask, np.uint8) for mask in ((1, 0, 0), (0, 0, 1)))
    vector = opened.describe(red)
    assert vector.shape == (48,)
    assert opened.compare(vector, vector) > 0.48
    assert opened.compare(vector, opened.describe(blue)) < 0.9 * opened.compare(vector, vector)


def test_what_is_no_onnx_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelFileError, match="is no ONNX model"):
        Sscd().opened(sscd_policy(path).model_dump())


@pytest.mark.sscd
@pytest.mark.skipif(not networks.packaged_versions(), reason="the extra sscd is not installed")
@pytest.mark.parametrize("network", ["distilled", "int8"])
def test_the_extras_network_is_used_by_itself_and_recorded(
    network: str, works: np.ndarray, corpus: list[ReferenceImage]
) -> None:
    [result] = audit(works[2:3], corpus, Policy(sscd_network=network))
    assert "sscd" in result.matches[0].fired
    assert result.thresholds["sscd_network"] == network
    assert len(result.versions[f"sscd {network}"]) == 16


@pytest.mark.sscd
@pytest.mark.skipif(not networks.packaged_versions(), reason="the extra sscd is not installed")
@pytest.mark.parametrize("network", ["distilled", "int8"])
def test_plain_pictures_of_a_kind_are_no_copies_of_each_other(network: str) -> None:
    opened = Sscd().opened(Policy(sscd_network=network).model_dump())
    assert opened is not None
    for kind in ("page", "word mark", "terminal", "outline"):
        first, second, third = (opened.describe(KINDS[kind](seed)) for seed in range(3))
        assert max(opened.compare(first, second), opened.compare(first, third)) < Policy().sscd_cosine_at_least


def test_most_of_a_page_is_ground_and_little_of_a_photograph(photographs: list[np.ndarray]) -> None:
    assert ground_share(KINDS["page"](0)) > 0.65
    assert np.median([ground_share(photograph) for photograph in photographs]) < 0.65
    assert ground_share(np.full((20, 30, 3), 7, np.uint8)) == 1


def test_without_the_extra_a_policy_still_opens_and_keeps_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = Policy().sha256
    monkeypatch.setattr(networks, "packaged_versions", dict)
    assert Sscd().opened(Policy().model_dump()) is None
    assert Policy().sha256 == with_it


def test_clip_proposes_candidates(art: list[np.ndarray]) -> None:
    clip = Clip.opened(Policy(clip="embedded").model_dump())
    assert clip is not None
    [found] = gather(ReferenceIndex(art[:4], [clip]), art, art[1], 1)
    assert (found.reference, found.proposed_by) == (1, ("clip",))
    assert float(clip.describe(art[1]) @ clip.describe(art[1])) == pytest.approx(1, abs=1e-4)
