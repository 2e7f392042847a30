"""Opening models once, with the edits that a campaign wants."""

from pathlib import Path

import pytest
import torch

from twig_assets.ablation import AblationSettings, ConceptTarget, ablate, remove
from twig_assets.campaign import Campaign
from twig_assets.resources import ModelResource

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
