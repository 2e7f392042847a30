"""The strategy `move`: set the object to the place where it meets the first image's mask least.

The image is drawn from that one of several seeds whose object can best avoid the mask. The finished image is then moved
as a whole, by pixels, which changes nothing about what was drawn; what that leaves bare is ground. Plain ground is
mirrored, any other is drawn by the model. Moving the prediction while steps are left was tried as well: the model draws
on something else then, mostly a smaller thing of less contrast (docs/benchmarks/regeneration.md).
"""

from typing import Any

import numpy as np
import torch

from twig_assets.regeneration.filling import Depth, Filled, Filling
from twig_assets.regeneration.latents import ground
from twig_assets.regeneration.moving import Costs, Slid, best_move, continued, slid
from twig_assets.regeneration.moving import Move as Shift
from twig_assets.regeneration.objects import Objects, find_objects
from twig_assets.regeneration.seed_selection import Selection, select_noise
from twig_assets.regeneration.strategy import Batch, Redraw, RegenerationStrategy, register


@register
class Move(RegenerationStrategy):
    """See the module."""

    name = "move"

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        self._selection: Selection | None = None
        self._figures: list[dict[str, Any]] = [{} for _ in batch.prompts]

    def noise(self) -> torch.Tensor | None:
        """See `RegenerationStrategy`."""
        batch = self.batch
        self._selection = select_noise(batch.family, batch.prompts, batch.seeds, batch.masks, batch.settings)
        return self._selection.noise

    def finish(self, images: np.ndarray) -> np.ndarray:
        """See `RegenerationStrategy`."""
        return self.moved(images, np.ones(len(images), bool))

    def redraw(self) -> Redraw | None:
        """See `RegenerationStrategy`: where no move helps, and another seed candidate was not tried yet."""
        selected, limit = self._selection, self.batch.settings.redraw_above
        if selected is None:
            return None
        told = [each.get("avoidance") for each in self._figures]
        at = [i for i, each in enumerate(told) if each and each["how"] != "moved" and each["overlap"] > limit]
        if not at:
            return None
        return Redraw(at, torch.stack([selected.start(i, 1) for i in at]), [_named(selected, i, 1) for i in at])

    def figures(self) -> list[dict[str, Any]]:
        """See `RegenerationStrategy`: under `avoidance`, how each image keeps off the first one's shape."""
        return self._figures

    def moved(self, images: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Images, uint8 (n, H, W, 3), of which those at `rows`, bool (n,), are moved where that is worth it."""
        at = np.flatnonzero(rows)
        if not len(at):
            return images
        found = find_objects(images[at], self.batch.segment, self.batch.settings.plain)
        shifts = [self._shift(found, k, self.batch.masks[i]) for k, i in enumerate(at)]
        colours = (ground(torch.from_numpy(images[at]).permute(0, 3, 1, 2).float()) + 0.5).byte().numpy()
        slides = [
            slid(images[i], shift, trace, colour.reshape(3))
            for i, shift, trace, colour in zip(at, shifts, found.traces, colours, strict=True)
        ]
        results = images.copy()
        results[at] = [
            slide.image if plain else continued(slide) for slide, plain in zip(slides, found.plain, strict=True)
        ]
        fills = self._fills(at, found, slides)
        for k, fill in fills.items():
            results[at[k]] = fill.image
        for k, i in enumerate(at):
            self._figures[i] = {"avoidance": self._avoidance(int(i), k, found, shifts[k], slides[k], fills.get(k))}
        return results

    def _shift(self, found: Objects, k: int, mask: np.ndarray) -> Shift:
        settings, margin = self.batch.settings, self.batch.family.reduction
        costs = Costs(settings.edge_cost, margin, settings.bare_cost, settings.least_gain)
        # On plain ground a move costs nothing and leaves no trace, so any gain is worth it.
        return best_move(found.shapes[k], mask, Costs(settings.edge_cost, margin) if found.plain[k] else costs)

    def _fills(self, at: np.ndarray, found: Objects, slides: list[Slid]) -> dict[int, Filled]:
        """The filled images of those whose bare part is not plain, by their position in `at`."""
        batch, settings = self.batch, self.batch.settings
        open_at = [k for k, slide in enumerate(slides) if slide.bare.any() and not found.plain[k]]
        if not open_at or not settings.fill:
            return {}
        seeds, moved = [batch.seeds[at[k]] for k in open_at], [slides[k] for k in open_at]
        depth = Depth(batch.generation.steps, settings.fill)
        filled = Filling(batch.family, seeds, moved, depth).filled(settings.fill_known)
        return dict(zip(open_at, filled, strict=True))

    def _avoidance(
        self, i: int, k: int, found: Objects, shift: Shift, slide: Slid, fill: Filled | None
    ) -> dict[str, Any]:
        """How image `i`, the `k`-th of those that were found, keeps off the mask."""
        selected = self._selection
        other_seed = selected is not None and selected.ranks[i][0] != 0
        seeded = other_seed and shift.after <= self.batch.settings.redraw_above
        figures: dict[str, Any] = {
            "how": "seed" if seeded and shift.stays else "left" if shift.stays else "moved",
            "object": found.found_by[k],
            "plain": bool(found.plain[k]),
            "overlap_drawn": round(shift.before, 4),
            "overlap": round(shift.after, 4),
        }
        if selected is not None:
            figures |= _named(selected, i)
        if not shift.stays:
            figures |= {"down": shift.down, "right": shift.right, "bare": round(float(slide.bare.mean()), 4)}
            figures["fill"] = "model" if fill and fill.drawn else "mirror"
        if fill:
            figures |= {"ground_explained": round(fill.explained, 4), "evaluations": fill.evaluations}
        return figures


def _named(selection: Selection, i: int, rank: int = 0) -> dict[str, Any]:
    """Which seed candidate an image is drawn from."""
    seed, mirrored = selection.named(i, rank)
    return {"seed": seed, "mirrored_noise": mirrored}
