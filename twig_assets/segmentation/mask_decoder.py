"""Segment Anything's mask decoder for many prompts of one image: the same weights and results, half the arithmetic.

The decoder (Kirillov et al. 2023, appendix A) lets a few tokens of each prompt and all places of the image attend to
each other. `MaskDecoder.forward` projects every place for every prompt. Attention is linear on both sides of its
softmax, so a head's projections can be moved from the places, of which there are hundreds, to the tokens, of which
there are seven: q . (W x + b) is (W^T q) . x and a constant that the softmax ignores, and the sum of a_i (W x_i + b)
is W (the sum of a_i x_i) + b. In the first layer the places are still the same for all prompts and are read once. What
is left differs from the package's own forward pass by rounding only.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from segment_anything.modeling import MaskDecoder
from segment_anything.modeling.transformer import Attention, TwoWayTransformer


def decode(
    decoder: MaskDecoder, image: torch.Tensor, positions: torch.Tensor, prompts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The three masks of each prompt, as `MaskDecoder.forward` with `multimask_output` gives them.

    Args:
        decoder: The decoder of a Sam.
        image: float (c, h, w), the image's embedding with the dense prompt added, which all prompts share.
        positions: float (c, h, w), the embedding's positional encoding.
        prompts: float (n, k, c), the sparse embeddings of n prompts.

    Returns:
        Logits of the masks, float (n, 3, 4 h, 4 w), and their predicted IoU, float (n, 3).
    """
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([own.expand(len(prompts), -1, -1), prompts], dim=1)
    places, positions = (each.flatten(1).T.contiguous() for each in (image, positions))
    tokens, attended = _transformed(decoder.transformer, places, positions, tokens)
    heads = range(1, decoder.num_mask_tokens)
    weights = torch.stack([decoder.output_hypernetworks_mlps[i](tokens[:, 1 + i]) for i in heads], dim=1)
    logits = weights @ _upscaled(decoder.output_upscaling, attended).transpose(1, 2)
    return _in_order(logits, image.shape[1:]), decoder.iou_prediction_head(tokens[:, 0])[:, 1:]


def _transformed(
    transformer: TwoWayTransformer, places: torch.Tensor, positions: torch.Tensor, tokens: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (n, k, c) and places (n, p, c) after all layers, from places and positions (p, c) common to n prompts."""
    queries, keys = tokens, places
    for layer in transformer.layers:
        placed = keys + positions
        if layer.skip_first_layer_pe:
            queries = layer.self_attn(q=queries, k=queries, v=queries)
        else:
            asking = queries + tokens
            queries = queries + layer.self_attn(q=asking, k=asking, v=queries)
        queries = layer.norm1(queries)
        queries = queries + _read(layer.cross_attn_token_to_image, queries + tokens, placed, keys)
        queries = layer.norm2(queries)
        queries = layer.norm3(queries + layer.mlp(queries))
        keys = layer.norm4(_written(layer.cross_attn_image_to_token, keys, placed, queries + tokens, queries))
    read = _read(transformer.final_attn_token_to_image, queries + tokens, keys + positions, keys)
    return transformer.norm_final_attn(queries + read), keys


def _read(attention: Attention, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Tokens (n, k, c) attend to places, (n, p, c) or (p, c) where all prompts share them."""
    heads, count = attention.num_heads, queries.shape[1]
    asking = _moved(attention, attention.q_proj(queries) / _scale(attention), attention.k_proj.weight)
    read = torch.softmax(asking @ keys.transpose(-1, -2), dim=-1) @ values
    by_head = read.unflatten(1, (heads, count)).transpose(0, 1).flatten(1, 2)
    inner = by_head @ attention.v_proj.weight.unflatten(0, (heads, -1)).transpose(1, 2)
    joined = inner.unflatten(1, (-1, count)).permute(1, 2, 0, 3).flatten(2)
    return attention.out_proj(joined + attention.v_proj.bias)


def _written(
    attention: Attention, places: torch.Tensor, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> torch.Tensor:
    """Places, (p, c) or (n, p, c), plus what they read when they attend to tokens (n, k, c): float (n, p, c)."""
    heads, count = attention.num_heads, keys.shape[1]
    asked = attention.k_proj(keys) / _scale(attention)
    scores = _moved(attention, asked, attention.q_proj.weight) @ queries.transpose(-1, -2)
    scores += _moved(attention, asked, attention.q_proj.bias[:, None])
    paid = torch.softmax(scores.unflatten(1, (heads, count)), dim=2).flatten(1, 2)
    # A head's attention sums to one, so each head can bring its share of the bias.
    told = _moved(attention, attention.v_proj(values), attention.out_proj.weight.T) + attention.out_proj.bias / heads
    return torch.baddbmm(places.expand(len(keys), -1, -1), paid.transpose(1, 2), told)


def _moved(attention: Attention, tokens: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """What each head keeps of tokens (n, k, inner), through its rows of a weight (inner, c): float (n, heads k, c)."""
    heads, (n, k, _) = attention.num_heads, tokens.shape
    by_head = tokens.unflatten(2, (heads, -1)).permute(2, 0, 1, 3).flatten(1, 2)
    through = by_head @ weight.unflatten(0, (heads, -1))
    return through.unflatten(1, (n, k)).transpose(0, 1).flatten(1, 2)


def _scale(attention: Attention) -> float:
    return math.sqrt(attention.internal_dim // attention.num_heads)


def _upscaled(upscaling: torch.nn.Sequential, places: torch.Tensor) -> torch.Tensor:
    """Places (n, p, c) in four times the resolution, float (n, 16 p, c / 8), the sixteen parts of a place together.

    A transposed convolution whose stride is its width, 2, is one linear map for each of a place's four quarters.
    """
    layers: list[Any] = list(upscaling)
    first, norm, activation, second, last = layers
    quarters = _linear(first, places)
    # The package writes this norm out over channels; these are the last axis here.
    quarters = activation(F.layer_norm(quarters, quarters.shape[-1:], norm.weight, norm.bias, norm.eps))
    return last(_linear(second, quarters)).flatten(1, -2)


def _linear(convolution: torch.nn.ConvTranspose2d, places: torch.Tensor) -> torch.Tensor:
    """(..., c) -> (..., 4, c'), the quarters row by row."""
    weight = convolution.weight.permute(2, 3, 1, 0)
    bias = None if convolution.bias is None else convolution.bias.repeat(4)
    return F.linear(places, weight.flatten(0, 2), bias).unflatten(-1, (4, -1))


def _in_order(logits: torch.Tensor, grid: torch.Size) -> torch.Tensor:
    """Logits (n, m, 16 h w), each place's quarters' quarters together, as pictures (n, m, 4 h, 4 w)."""
    height, width = grid
    parts = logits.unflatten(2, (height, width, 2, 2, 2, 2))
    return parts.permute(0, 1, 2, 4, 6, 3, 5, 7).flatten(5).flatten(2, 4)
