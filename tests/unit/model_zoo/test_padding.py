"""Repeated padding counts once, and as much."""

from typing import Any

import pytest
import torch
from diffusers import SD3Transformer2DModel

from twig_assets.model_zoo.padding import count_padding_once


def _transformer() -> SD3Transformer2DModel:
    torch.manual_seed(0)
    return SD3Transformer2DModel(
        sample_size=4,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=6,
        caption_projection_dim=16,
        pooled_projection_dim=5,
        pos_embed_max_size=2,
        qk_norm="rms_norm",
    ).eval()


def _inputs(padding: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    text = torch.randn(2, 3, 6, generator=generator)
    return {
        "hidden_states": torch.randn(2, 4, 4, 4, generator=generator),
        "timestep": torch.tensor([300.0, 800.0]),
        "encoder_hidden_states": torch.cat([text, torch.zeros(2, padding, 6)], dim=1),
        "pooled_projections": torch.randn(2, 5, generator=generator),
        "return_dict": False,
    }


@pytest.mark.parametrize("padding", [0, 1, 2, 40])
@torch.no_grad()
def test_the_prediction_is_that_with_all_rows(padding: int) -> None:
    transformer, inputs = _transformer(), _inputs(padding)
    whole = transformer(**inputs)[0]
    torch.testing.assert_close(count_padding_once(transformer)(**inputs)[0], whole)


@torch.no_grad()
def test_the_blocks_see_one_row_of_padding() -> None:
    transformer, lengths = count_padding_once(_transformer()), []
    transformer.context_embedder.register_forward_hook(lambda _, inputs, __: lengths.append(inputs[0].shape[1]))
    for padding in (0, 1, 40):
        transformer(**_inputs(padding))
    assert lengths == [3, 4, 4]


@torch.no_grad()
def test_a_row_of_zeros_amid_the_text_is_no_padding() -> None:
    transformer, inputs = _transformer(), _inputs(5)
    inputs["encoder_hidden_states"][:, 1] = 0
    whole = transformer(**inputs)[0]
    torch.testing.assert_close(count_padding_once(transformer)(**inputs)[0], whole)
