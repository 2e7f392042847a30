"""How a change of one weight is kept in an edit's file: whole, in half precision, or as two thin matrices.

What training adds to a wide text encoder is as large as the encoder: 2.9 GB for those of Stable Diffusion XL. Most of
it moves in few directions, so its truncated singular value decomposition says nearly the same. Whether it does is
measured where it matters, see `methods.compression`.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import torch

# float16 holds numbers up to 65504; half of that leaves room for rounding.
_LARGEST_EXPONENT = 15
_POWER_ITERATIONS = 2


@dataclass(frozen=True, eq=False)
class LowRank:
    """A change of a matrix (o, i) of rank r at most.

    Attributes:
        up: float16 (o, r).
        down: float16 (r, i).
    """

    up: torch.Tensor
    down: torch.Tensor

    @property
    def shape(self) -> torch.Size:
        """Shape of the matrix."""
        return torch.Size((self.up.shape[0], self.down.shape[1]))

    def dense(self) -> torch.Tensor:
        """The matrix, float32."""
        return self.up.float() @ self.down.float()

    def truncated(self, rank: int) -> "LowRank":
        """The leading directions alone."""
        return LowRank(self.up[:, :rank].contiguous(), self.down[:rank].contiguous())


@dataclass(frozen=True, eq=False)
class Halved:
    """A change in half precision, `values * 2 ** exponent`; the scale keeps small ones from vanishing.

    Attributes:
        values: float16, in the parameter's shape.
        exponent: A whole number.
    """

    values: torch.Tensor
    exponent: int

    @property
    def shape(self) -> torch.Size:
        """Shape of the parameter."""
        return self.values.shape

    def dense(self) -> torch.Tensor:
        """The change, float32."""
        return torch.ldexp(self.values.float(), torch.tensor(self.exponent))


StoredDelta: TypeAlias = torch.Tensor | LowRank | Halved


def dense(delta: StoredDelta) -> torch.Tensor:
    """A change as one tensor in the parameter's shape."""
    return delta if isinstance(delta, torch.Tensor) else delta.dense()


def stored_bytes(delta: StoredDelta) -> int:
    """What a change takes in a file."""
    tensors = (delta.up, delta.down) if isinstance(delta, LowRank) else (_tensor(delta),)
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _tensor(delta: torch.Tensor | Halved) -> torch.Tensor:
    return delta.values if isinstance(delta, Halved) else delta


def halved(delta: torch.Tensor) -> Halved:
    """A change in half precision; each number is off by 2^-11 of itself, or by 2^-39 of the largest."""
    largest = float(delta.abs().max()) if delta.numel() else 0.0
    exponent = math.frexp(largest)[1] - _LARGEST_EXPONENT if largest else 0
    return Halved(torch.ldexp(delta.float(), torch.tensor(-exponent)).half(), exponent)


def low_rank(delta: torch.Tensor, rank: int, seed: int) -> LowRank:
    """The nearest change of a rank, by a randomised decomposition (Halko et al. 2011, algorithms 4.4 and 5.1).

    A few power iterations bring it within a few percent of the exact one, in a small part of its time for wide layers.

    Args:
        delta: (o, i).
        rank: At most; less where the matrix is smaller.
        seed: Of the random directions; the same seed gives the same factors.
    """
    matrix = delta.float()
    wanted = min(rank, *matrix.shape)
    drawn = min(2 * wanted, *matrix.shape)
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(matrix @ torch.randn(matrix.shape[1], drawn, generator=generator)).Q
    for _ in range(_POWER_ITERATIONS):
        basis = torch.linalg.qr(matrix @ torch.linalg.qr(matrix.T @ basis).Q).Q
    up, sizes, down = torch.linalg.svd(basis.T @ matrix, full_matrices=False)
    roots = sizes[:wanted].sqrt()
    return LowRank(((basis @ up[:, :wanted]) * roots).half(), (roots[:, None] * down[:wanted]).half())
