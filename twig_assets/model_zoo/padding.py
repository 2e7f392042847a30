"""Rows of zeros in place of an absent T5 count once, and weigh as many as they are.

`StableDiffusion3Pipeline` without T5 hands its transformer 256 rows of zeros after the tokens of CLIP. Text has no
positions in the transformer, so equal rows stay equal in every layer: one of them, whose attention logit is raised by
the logarithm of their number, gives the same image as all of them. At 64 px that is three quarters of the work.
"""

import math
from typing import Any

import torch
from diffusers import SD3Transformer2DModel
from diffusers.models.attention_processor import Attention

T5_TOKENS = 256
"""Rows of zeros that the pipeline appends by default."""


class RepeatedLastToken:
    """Joint attention of image and text (Esser et al. 2024, arXiv 2403.03206) in which the last token stands for many.

    It is written out as products and a softmax: on a CPU the fused attention's backward takes longer at these sizes.
    """

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: None = None,
        repeats: int = 1,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attended image tokens (n, i, d) and text tokens (n, t, d).

        Args:
            attn: The block's attention, with normalised queries and keys.
            hidden_states: Image tokens (n, i, d).
            encoder_hidden_states: Text tokens (n, t, d).
            attention_mask: Not used by this kind of transformer.
            repeats: How many tokens the last one of the text stands for, at least 1.
        """
        count, pixels, _ = hidden_states.shape

        def heads(tokens: torch.Tensor) -> torch.Tensor:
            return tokens.view(count, -1, attn.heads, tokens.shape[-1] // attn.heads).transpose(1, 2)

        query = torch.cat(
            [
                attn.norm_q(heads(attn.to_q(hidden_states))),
                attn.norm_added_q(heads(attn.add_q_proj(encoder_hidden_states))),
            ],
            dim=2,
        )
        key = torch.cat(
            [
                attn.norm_k(heads(attn.to_k(hidden_states))),
                attn.norm_added_k(heads(attn.add_k_proj(encoder_hidden_states))),
            ],
            dim=2,
        )
        value = torch.cat([heads(attn.to_v(hidden_states)), heads(attn.add_v_proj(encoder_hidden_states))], dim=2)
        logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        weight = torch.zeros(key.shape[2], device=key.device)
        weight[-1] = math.log(repeats)
        attended = (
            ((logits + weight).softmax(-1).to(value.dtype) @ value).transpose(1, 2).reshape(count, -1, attn.inner_dim)
        )
        image, text = attended[:, :pixels], attended[:, pixels:]
        return attn.to_out[0](image), text if attn.context_pre_only else attn.to_add_out(text)


def count_padding_once(transformer: SD3Transformer2DModel) -> SD3Transformer2DModel:
    """The same transformer, which from now on reads repeated rows of zeros at the end of a text once."""
    transformer.set_attn_processor(RepeatedLastToken())
    transformer.register_forward_pre_hook(_shortened, with_kwargs=True)
    return transformer


def _shortened(
    transformer: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    text = given["encoder_hidden_states"]
    filled = int(text.abs().amax((0, 2)).count_nonzero(dim=0)) if len(text) else 0
    used = filled if not text[:, filled:].any() else text.shape[1]
    repeats = text.shape[1] - used
    if repeats < 2:
        return args, given
    options = {**(given.get("joint_attention_kwargs") or {}), "repeats": repeats}
    return args, {**given, "encoder_hidden_states": text[:, : used + 1], "joint_attention_kwargs": options}
