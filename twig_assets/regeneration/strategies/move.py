"""The strategy `move`: set the object to the place where it meets the first image's mask least.

The image is drawn from that one of several seeds whose object can best avoid the mask. The finished image is then moved
as a whole, by pixels, which changes nothing about what was drawn. Moving the prediction while steps are left was tried
as well: the model draws on something else then, mostly a smaller thing of less contrast
(docs/benchmarks/regeneration.md).
"""

import numpy as np
import torch

from twig_assets.regeneration.moving import moved
from twig_assets.regeneration.seed_selection import selected_noise
from twig_assets.regeneration.strategy import RegenerationStrategy, register


@register
class Move(RegenerationStrategy):
    """See the module."""

    name = "move"

    def noise(self) -> torch.Tensor | None:
        """See `RegenerationStrategy`."""
        batch = self.batch
        return selected_noise(batch.family, batch.prompts, batch.seeds, batch.masks, batch.settings)

    def finish(self, images: np.ndarray) -> np.ndarray:
        """See `RegenerationStrategy`."""
        batch = self.batch
        return moved(images, batch.masks, batch.settings.edge_cost, batch.family.reduction)
