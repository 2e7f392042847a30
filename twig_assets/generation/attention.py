"""Cross-attention: suppressing it inside a mask, and watching where it goes."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

# Suppression takes this from a logit at strength 1, so a token keeps e^-8 of its weight.
LOGITS = 8.0


class BiasedProcessor:
    """An attention processor that adds a bias to the logits and leaves everything else to another processor.

    Args:
        inner: The other processor.
        bias: Number of places of a layer's grid -> float (b, places, tokens), or None for no bias.
    """

    def __init__(self, inner: Any, bias: Callable[[int], torch.Tensor | None]) -> None:
        self._inner = inner
        self._bias = bias

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        """The inner processor's output."""
        bias = self._bias(hidden_states.shape[1])
        if bias is not None:
            bias = bias.to(hidden_states)
            without = hidden_states.shape[0] - bias.shape[0]  # the half without the prompt comes first
            bias = torch.cat([bias.new_zeros(without, *bias.shape[1:]), bias])
            attention_mask = bias if attention_mask is None else attention_mask + bias
        return self._inner(attn, hidden_states, encoder_hidden_states, attention_mask, *args, **kwargs)


class WatchingProcessor:
    """An attention processor that also reports the attention, and leaves everything else to another processor.

    Args:
        inner: The other processor.
        seen: Called with the attention of each call, float (b, places, tokens), the mean of all heads.
    """

    def __init__(self, inner: Any, seen: Callable[[torch.Tensor], None]) -> None:
        self._inner = inner
        self._seen = seen

    def __call__(
        self, attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """The inner processor's output."""
        query, key = attn.to_q(hidden_states), attn.to_k(encoder_hidden_states)
        attention = attn.get_attention_scores(attn.head_to_batch_dim(query), attn.head_to_batch_dim(key))
        self._seen(attention.unflatten(0, (-1, attn.heads)).mean(1))
        return self._inner(attn, hidden_states, encoder_hidden_states, *args, **kwargs)


def on_grid(mask: torch.Tensor, places: int) -> torch.Tensor:
    """A mask (n, 1, h, w) on the grid of a layer of `places` places: (n, places), shares from 0 to 1.

    Raises:
        ValueError: If no halving of the mask's grid has that many places.
    """
    height, width = mask.shape[-2:]
    while height * width > places and height > 1 and width > 1:
        height, width = -(-height // 2), -(-width // 2)
    if height * width != places:
        raise ValueError(f"a cross-attention layer of {places} places does not fit latents of {tuple(mask.shape[-2:])}")
    return F.adaptive_avg_pool2d(mask, (height, width)).flatten(1)


def suppression(mask: torch.Tensor, tokens: torch.Tensor, strength: float) -> Callable[[int], torch.Tensor]:
    """The bias that keeps tokens (n, length) from places inside a mask (n, 1, h, w).

    As in DenseDiffusion (Kim et al. 2023, arXiv 2308.12964) with the sign turned round.
    """

    def bias(places: int) -> torch.Tensor:
        inside = on_grid(mask, places)
        return -LOGITS * strength * inside[:, :, None] * tokens[:, None, :].to(inside)

    return bias


def overlap_energy(attention: torch.Tensor, mask: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Mean over an image's tokens of the squared share of their attention that falls into the mask, (n,), 0 to 1.

    Chen et al. 2024 (arXiv 2304.03373), equation 2, asks for attention inside a box with (1 - share)^2; this is the
    same with the box forbidden.

    Args:
        attention: (n, places, length), from the half with the prompt.
        mask: (n, 1, h, w).
        tokens: bool (n, length), at least one in every row.
    """
    inside = on_grid(mask, attention.shape[1]).to(attention)
    share = (attention * inside[:, :, None]).sum(1) / attention.sum(1).clamp_min(1e-9)
    chosen = tokens.to(attention)
    return (share.square() * chosen).sum(1) / chosen.sum(1)
