"""What a denoiser is conditioned on: the encoded text of some prompts, whatever the family of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True, eq=False)
class Conditioning:
    """The encoded text of n prompts.

    Attributes:
        tokens: Embeddings token by token, (n, t, d), as they go into the denoiser.
        pooled: Embeddings of the whole prompts, (n, e); None where the family has none.
        extra: Whatever else the denoiser is given and text does not determine, such as time ids, by name, each with n
            rows.
        mask: bool (n, t), which tokens the denoiser reads; None where it reads all, padding included.
    """

    tokens: torch.Tensor
    pooled: torch.Tensor | None = None
    extra: Mapping[str, torch.Tensor] = field(default_factory=dict)
    mask: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def rows(self, indices: Sequence[int] | slice | torch.Tensor) -> "Conditioning":
        """The conditioning of some of the prompts, in this order."""
        at = indices if isinstance(indices, slice) else torch.as_tensor(indices, device=self.tokens.device)
        return Conditioning(
            self.tokens[at],
            None if self.pooled is None else self.pooled[at],
            {name: value[at] for name, value in self.extra.items()},
            None if self.mask is None else self.mask[at],
        )

    def replaced(self, chosen: torch.Tensor, other: "Conditioning") -> "Conditioning":
        """The same, with another prompt's text in some of the rows.

        Args:
            chosen: bool (n,), which rows.
            other: The conditioning of one prompt, whose tokens are as many.
        """
        return Conditioning(
            _with_rows(self.tokens, chosen, other.tokens),
            None if self.pooled is None or other.pooled is None else _with_rows(self.pooled, chosen, other.pooled),
            self.extra,
            None if self.mask is None or other.mask is None else _with_rows(self.mask, chosen, other.mask),
        )

    @staticmethod
    def joined(parts: Sequence["Conditioning"]) -> "Conditioning":
        """The prompts of all parts, one after the other; the parts are of one family."""
        pooled = [part.pooled for part in parts if part.pooled is not None]
        masks = [part.mask for part in parts if part.mask is not None]
        return Conditioning(
            torch.cat([part.tokens for part in parts]),
            torch.cat(pooled) if pooled else None,
            {name: torch.cat([part.extra[name] for part in parts]) for name in parts[0].extra},
            torch.cat(masks) if masks else None,
        )


def _with_rows(tensor: torch.Tensor, chosen: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """`tensor` (n, ...) with `value` (1, ...) in the rows chosen by bool (n,)."""
    where = chosen.to(tensor.device).reshape(-1, *[1] * (tensor.ndim - 1))
    return torch.where(where, value.to(tensor), tensor)
