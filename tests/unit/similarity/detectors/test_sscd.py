"""SSCD and CLIP."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from twig_assets.similarity import Policy, ReferenceImage, audit
from twig_assets.similarity.corpus.index import ReferenceIndex, gather
from twig_assets.similarity.detectors.clip import Clip
from twig_assets.similarity.detectors.registry import opened_sources
from twig_assets.similarity.detectors.sscd import ModelFileError, Sscd


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
    policy = sscd_policy(script, sscd_cosine_at_least=0.99)
    [result] = audit(works[2:3], corpus, policy)
    assert "sscd" in result.matches[0].fired
    assert result.scores["sscd_cosine"] == pytest.approx(1, abs=1e-5)
    assert result.matches[0].scores["sscd_cosine"] == result.scores["sscd_cosine"]
    recorded = {name: result.thresholds[name] for name in ("sscd_sha256", "sscd_side", "sscd_cosine_at_least")}
    assert recorded == {"sscd_sha256": policy.sscd_sha256, "sscd_side": 64, "sscd_cosine_at_least": 0.99}


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


def test_without_a_file_there_is_no_such_score(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    [result] = audit(works[:1], corpus, Policy())
    assert result.scores["sscd_cosine"] is None
    assert result.matches[0].scores["sscd_cosine"] is None
    assert "sscd" not in {source.descriptor for source in opened_sources(Policy().model_dump())}


def test_clip_proposes_candidates(art: list[np.ndarray]) -> None:
    clip = Clip.opened(Policy(clip="embedded").model_dump())
    assert clip is not None
    [found] = gather(ReferenceIndex(art[:4], [clip]), art, art[1], 1)
    assert (found.reference, found.proposed_by) == (1, ("clip",))
    assert float(clip.describe(art[1]) @ clip.describe(art[1])) == pytest.approx(1, abs=1e-4)
