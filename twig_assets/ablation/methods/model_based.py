"""`model_based`: fine-tuning towards the model's own prediction for the anchor's caption.

Kumari et al. 2023, arXiv 2303.13516, equation 4.
"""

import torch

from twig_assets.ablation.methods.fine_tuning import Batch, FineTuning, Tuner


@torch.no_grad()
def anchor_prediction(tuner: Tuner, batch: Batch) -> torch.Tensor:
    """What the model, as trained so far, predicts for the anchors' captions: (n, C, h, w)."""
    return tuner.predict(batch, [pair.anchor for pair in batch.pairs])


METHOD = FineTuning(anchor_prediction)
