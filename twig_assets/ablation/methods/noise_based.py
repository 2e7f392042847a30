"""`noise_based`: fine-tuning on images of the anchor under the target's caption.

Kumari et al. 2023, arXiv 2303.13516, equation 5.
"""

import torch

from twig_assets.ablation.methods.fine_tuning import Batch, FineTuning, Tuner


def true_prediction(tuner: Tuner, batch: Batch) -> torch.Tensor:
    """What a perfect denoiser would predict: (n, C, h, w)."""
    return tuner.diffusion.truth(batch)


METHOD = FineTuning(true_prediction)
