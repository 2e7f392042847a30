"""Opening models once, with the edits that a campaign wants."""

from pathlib import Path

import pytest
import torch

from twig_assets.ablation import AblationSettings, ConceptTarget, ablate, remove
from twig_assets.campaign import Campaign
from twig_assets.catalog.models import Model
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.catalog.store import ArtifactStore
from twig_assets.resources import ModelResource
from twig_assets.settings.opening import SchedulerSettings

CAT = ConceptTarget(name="cat", target="pouting cat", anchor="cat face", kind="object")


def campaign(name: str) -> Campaign:
    return Campaign(name=name, folder=Path("campaigns") / name, title=name)


def weights(pipeline: object) -> torch.Tensor:
    """What an edit changes: all keys and values of cross-attention, in one row."""
    parts = [p for name, p in pipeline.unet.named_parameters() if "attn2.to_k" in name or "attn2.to_v" in name]
    return torch.cat([part.detach().flatten() for part in parts]).clone()


@pytest.fixture(scope="module")
def edit() -> bytes:
    pipeline, base_sha256 = ModelResource().base(campaign("first"))
    return ablate(pipeline, CAT, AblationSettings(method="closed_form"), base_sha256).to_bytes()


def test_edits_that_another_campaign_applied_to_the_same_checkpoint_stay_applied(edit: bytes) -> None:
    models = ModelResource()
    plain = weights(models.base(campaign("first"))[0])
    edited = weights(models.composed(campaign("first"), {"a": edit}))
    assert not torch.equal(edited, plain)
    again = models.composed(campaign("second"), {"a": edit})
    assert torch.equal(weights(again), edited)
    remove(again)
    assert torch.equal(weights(again), plain)


def test_edits_come_and_go_with_what_is_asked_for(edit: bytes) -> None:
    models = ModelResource()
    plain = weights(models.composed(campaign("first"), {}))
    edited = weights(models.composed(campaign("first"), {"a": edit}))
    assert torch.equal(weights(models.composed(campaign("first"), {"a": edit})), edited)
    assert torch.equal(weights(models.composed(campaign("first"), {})), plain)


def test_what_a_campaign_exchanges_in_its_checkpoint_is_another_model_by_name_and_by_fingerprint(
    tmp_path: Path,
) -> None:
    plain, models = campaign("first"), ModelResource()
    euler = plain.model_copy(update={"scheduler": SchedulerSettings(name="EulerDiscreteScheduler")})
    assert plain.model_name == "embedded"
    assert euler.model_name == 'embedded {"scheduler": {"name": "EulerDiscreteScheduler"}}'
    _, base_sha256 = models.base(plain)
    pipeline, other_sha256 = models.base(euler)
    assert other_sha256 != base_sha256
    row = Model(checkpoint=euler.model_name, base_sha256=other_sha256, edits=[], sha256="0" * 64)
    assert models.serving(euler, row, ArtifactStore(str(tmp_path))) is pipeline
    row.base_sha256 = base_sha256
    with pytest.raises(NotMaterializedError, match="another model .*; materialize ablated_models and composed_model"):
        models.serving(euler, row, ArtifactStore(str(tmp_path)))


def test_models_of_several_campaigns_stay_open_as_far_as_the_memory_for_them_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def opened(name: str) -> object:
        return ModelResource().base(campaign(name))[0]

    monkeypatch.setenv("TWIG_MODELS_GIB", "4")
    first, second = opened("first"), opened("second")
    assert (opened("first"), opened("second")) == (first, second)
    monkeypatch.setenv("TWIG_MODELS_GIB", "0")
    assert opened("first") is first
    assert opened("second") is not second, "the one that was not used last was closed"
