"""Drawing what a move left bare, with the model that drew the rest.

The bare part begins as a mirror image of what is next to it, is laid under noise (SDEdit, Meng et al. 2022, arXiv
2108.01073) and denoised, and at every step the rest is held at what it is (RePaint, Lugmayr et al. 2022, arXiv
2201.09865, equation 8; Blended Latent Diffusion, Avrahami et al. 2023, arXiv 2206.02779). With the clean prediction
held at the known latents, a sampler steps along these latents with the noise of the next level over them: the known
part is noised again at every step without leaving the sampler's own arithmetic.

A model draws what it knows. Whether it knows this ground shows in the first of these predictions, which is made before
anything is held: how much of the known ground does it account for? Where that is too little, the bare part stays as it
began, after one evaluation of the denoiser.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt

from twig_assets.generation import Conditioning, ModelFamily
from twig_assets.generation.sampling import Begin, denoise
from twig_assets.generation.steering import Prediction, SamplingHook, Steering
from twig_assets.regeneration.moving import Slid, continued

# Noise of its own: neither an image's nor a seed candidate's.
_APART = 500_009
# Width of the band along the seam, as a share of the image's side.
_BAND = 1 / 32


@dataclass(frozen=True)
class Depth:
    """From how much noise the bare part is drawn.

    Attributes:
        steps: Steps of the sampler from noise alone to the image.
        share: Share of these steps that is taken, above 0 to 1.
    """

    steps: int
    share: float

    @property
    def taken(self) -> int:
        """Steps that are taken; at least one."""
        return max(1, min(self.steps, round(self.share * self.steps)))

    def begin(self, clean: torch.Tensor) -> Begin:
        """A drawing that begins so deep in the noise over clean latents."""
        return Begin(clean, self.steps - self.taken)


@dataclass(frozen=True, eq=False)
class Filled:
    """A moved image whose bare part was filled.

    Attributes:
        image: uint8 (H, W, 3).
        drawn: Whether the model drew the bare part; else it mirrors the ground.
        explained: Share of the known ground's contrast that the model's first prediction accounts for, at most 1.
        evaluations: Of the denoiser for this image.
    """

    image: np.ndarray
    drawn: bool
    explained: float
    evaluations: int


class Held(SamplingHook):
    """Holds known latents where nothing is to be drawn.

    Args:
        known: Latents (n, C, h, w).
        drawn: float (n, 1, h, w), one where something is to be drawn and zero where it is known.
    """

    def __init__(self, known: torch.Tensor, drawn: torch.Tensor) -> None:
        self._known, self._drawn = known, drawn

    def steer(self, prediction: Prediction) -> Prediction:
        """See `SamplingHook`."""
        drawn, known = self._drawn.to(prediction.clean), self._known.to(prediction.clean)
        return replace(prediction, clean=known + drawn * (prediction.clean - known))


class Filling:
    """Fills the bare parts of n moved images.

    No prompt is read: what was asked for is there already, and a model that reads of it again draws it a second time.
    Nor is there guidance then, which takes half of the evaluations.

    Args:
        family: The model.
        seeds: n seeds, each of its own image's noise.
        moved: n images of one size.
        depth: From how much noise the bare parts are drawn.
    """

    def __init__(self, family: ModelFamily, seeds: Sequence[int], moved: Sequence[Slid], depth: Depth) -> None:
        self._family, self._seeds, self._moved, self._depth = family, seeds, moved, depth
        self._begun = np.stack([continued(each) for each in moved])
        self._size = (self._begun.shape[1], self._begun.shape[2])
        self._known = family.encode_images(self._begun, self._size)
        self._noise = family.starting_noise(self._generators(range(len(seeds))), self._size)
        with torch.no_grad():
            self._conditioning = family.encode([""] * len(seeds), self._size)

    def filled(self, least: float) -> list[Filled]:
        """The filled images.

        Args:
            least: How much of the known ground the model has to account for, for its drawing to be used.
        """
        shares = self._explained()
        known = [i for i, share in enumerate(shares) if share >= least]
        drawn = dict(zip(known, self._drawn(known), strict=True)) if known else {}
        evaluations = [1 + self._depth.taken if i in drawn else 1 for i in range(len(shares))]
        return [
            Filled(drawn.get(i, self._begun[i]), i in drawn, share, evaluations[i]) for i, share in enumerate(shares)
        ]

    def _explained(self) -> list[float]:
        """How much of each known ground the model's first prediction accounts for."""
        predictions: list[Prediction] = []

        def keep(prediction: Prediction) -> Prediction:
            predictions.append(prediction)
            return prediction

        everything = list(range(len(self._seeds)))
        begin = self._depth.begin(self._known)
        self._denoised(everything, begin, Steering(keep), begin.index + 1)
        taken = np.stack([each.bare | each.shape for each in self._moved])
        return ground_explained(predictions[0].clean, self._known.to(predictions[0].clean), self._cells(taken))

    def _drawn(self, at: list[int]) -> list[np.ndarray]:
        known, bare = self._known[at], np.stack([self._moved[i].bare for i in at])
        latents = self._denoised(at, self._depth.begin(known), Held(known, self._cells(bare)), None)
        change = self._family.decode(latents).float() - self._family.decode(known.to(latents)).float()
        changes = 255 * change.permute(0, 2, 3, 1).cpu().numpy()
        return [
            set_in(self._moved[i].image, self._moved[i].bare, self._begun[i] + change)
            for i, change in zip(at, changes, strict=True)
        ]

    def _denoised(self, at: list[int], begin: Begin, hook: SamplingHook, stop: int | None) -> torch.Tensor:
        rows = torch.tensor(at, device=self._noise.device)
        conditioning: Conditioning = self._conditioning.rows(rows)
        generators = self._generators(at)
        # What a scheduler draws at its steps must not be the noise that it starts from.
        self._family.starting_noise(generators, self._size)
        steps, noise = self._depth.steps, self._noise[rows]
        return denoise(
            self._family, conditioning, noise, steps, hooks=[hook], generators=generators, begin=begin, stop=stop
        )

    def _generators(self, at: Sequence[int]) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(int(self._seeds[i]) + _APART) for i in at]

    def _cells(self, areas: np.ndarray) -> torch.Tensor:
        """Which latent cells hold any pixel of areas bool (k, H, W): float (k, 1, h, w)."""
        return F.max_pool2d(torch.from_numpy(areas).float()[:, None], self._family.reduction)


def ground_explained(clean: torch.Tensor, known: torch.Tensor, taken: torch.Tensor) -> list[float]:
    """Share of the contrast of known latents outside an area that predictions account for; n values of at most 1.

    It is 1 - |x - z|^2 / |z - mean of z|^2 there: 0 for a prediction that is no better than the mean colour.

    Args:
        clean: Predictions x, (n, C, h, w).
        known: z, of the same shape.
        taken: float (n, 1, h, w), one in the area that does not count.
    """
    counts = 1 - taken.to(known)
    mean = (counts * known).sum((2, 3), keepdim=True) / counts.sum((2, 3), keepdim=True).clamp_min(1)
    missed, contrast = ((counts * (z - known).square()).sum((1, 2, 3)) for z in (clean, mean))
    return [float(share) for share in 1 - missed / contrast.clamp_min(1e-6)]


def set_in(image: np.ndarray, bare: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """An image with its bare part taken from another picture, into which it passes over within a narrow band.

    Args:
        image: uint8 (H, W, 3).
        bare: bool (H, W), with at least one pixel that is not bare.
        drawn: The other picture, float (H, W, 3), 0 to 255.

    Returns:
        uint8 (H, W, 3): `image` itself but for the bare part and the band.
    """
    band = max(1.0, _BAND * min(bare.shape))
    share = np.clip(1 - distance_transform_edt(~bare) / band, 0, 1)
    share[bare] = 1
    return (image + share[..., None] * (drawn - image)).round().clip(0, 255).astype(np.uint8)
