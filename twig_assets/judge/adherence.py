"""How much an image shows its prompt, by comparison with the other prompts of its batch."""

from collections.abc import Sequence

import numpy as np


def margins(similarity: np.ndarray, own: Sequence[int]) -> np.ndarray:
    """How much nearer each image is to its own prompt than to the others on average.

    A bare cosine similarity to a prompt means little: its level differs between CLIP models and between prompts. The
    margin is comparable, and at 0 or below the image shows its prompt no more than it shows any other.

    Args:
        similarity: Cosine similarities, float of shape (images, prompts), -1 to 1, as `clip_similarity` gives them.
        own: For each image, the column of its prompt.

    Returns:
        Float array of shape (images,), -2 to 2.

    Raises:
        ValueError: With fewer than two prompts, where there is nothing to compare with.
    """
    count = similarity.shape[1]
    if count < 2:
        raise ValueError("adherence is a comparison: it needs two prompts or more")
    own_similarity = similarity[np.arange(len(similarity)), list(own)]
    margin: np.ndarray = own_similarity - (similarity.sum(axis=1) - own_similarity) / (count - 1)
    return margin
