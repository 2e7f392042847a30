"""The judge: a small convolutional network that names the concept and the style of a picture.

It is independent of the generator (its own weights, its own training data order, no text), and it is the one model
here that knows the held-out pairs, so it shows whether the generator draws what it was never shown.
"""

import numpy as np
import torch
import torch.nn.functional as F

from twig_assets.model_zoo.art import SIDE, STYLES, concept_names

_CHUNK = 64


class ResidualBlock(torch.nn.Module):
    """Two 3 x 3 convolutions with batch normalisation around a skip connection (He et al. 2016, figure 2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.first_norm = torch.nn.BatchNorm2d(width)
        self.second = torch.nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = torch.nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, width, H, W) -> the same shape."""
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(x + self.second_norm(self.second(inner)))


class ArtClassifier(torch.nn.Module):
    """Names concept and style of 64 px pictures.

    Attributes:
        concepts: Concept names in the order of the first head's classes.
        styles: Style names in the order of the second head's classes.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (48, 96, 192),
        concepts: tuple[str, ...] | None = None,
        styles: tuple[str, ...] = STYLES,
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.concepts = tuple(concepts or concept_names())
        self.styles = tuple(styles)
        parts: list[torch.nn.Module] = []
        for before, width in zip((3, *self.widths[:-1]), self.widths, strict=True):
            kernel = 5 if before == 3 else 3
            halve = torch.nn.Conv2d(before, width, kernel, stride=2, padding=kernel // 2, bias=False)
            parts += [halve, torch.nn.BatchNorm2d(width), torch.nn.ReLU(), ResidualBlock(width)]
        self.trunk = torch.nn.Sequential(*parts)
        width = 2 * self.widths[-1]
        self.concept_head = torch.nn.Linear(width, len(self.concepts))
        self.style_head = torch.nn.Linear(width, len(self.styles))

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        """Float (n, 3, 64, 64) in [-1, 1] -> penultimate features (n, 384): mean and maximum over all places."""
        maps = self.trunk(pixels)
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Float (n, 3, 64, 64) in [-1, 1] -> concept logits (n, concepts) and style logits (n, styles)."""
        embedded = self.embed(pixels)
        return self.concept_head(embedded), self.style_head(embedded)

    @torch.no_grad()
    def features(self, images: np.ndarray) -> np.ndarray:
        """Penultimate features, for distances between sets of pictures (FID, KID).

        Args:
            images: uint8 array of shape (n, 64, 64, 3).

        Returns:
            float32 array of shape (n, 384), all values at least 0.

        Raises:
            ValueError: If the images have another shape or type.
        """
        return torch.cat([self.embed(part) for part in _batches(images)]).numpy()

    @torch.no_grad()
    def classify(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of every concept and every style.

        Args:
            images: uint8 array of shape (n, 64, 64, 3).

        Returns:
            float32 arrays of shape (n, concepts) and (n, styles); each row sums to one.

        Raises:
            ValueError: If the images have another shape or type.
        """
        outputs = [self(part) for part in _batches(images)]
        concept, style = (torch.cat(head).softmax(-1).numpy() for head in zip(*outputs, strict=True))
        return concept, style


def _batches(images: np.ndarray) -> list[torch.Tensor]:
    if images.ndim != 4 or images.shape[1:] != (SIDE, SIDE, 3) or images.dtype != np.uint8 or not len(images):
        raise ValueError(
            f"The classifier takes uint8 images of shape (n, {SIDE}, {SIDE}, 3) with n at least 1, not "
            f"{images.dtype} of shape {images.shape}; resize and convert them first."
        )
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    return list(pixels.to(memory_format=torch.channels_last).split(_CHUNK))
