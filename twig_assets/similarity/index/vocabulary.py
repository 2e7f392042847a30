"""How the visual words were trained: `python -m twig_assets.similarity.index.vocabulary` writes `words.npy` again.

One vocabulary for all corpora, so that a segment needs no other and grows from the first work on.
"""

from pathlib import Path

import numpy as np

from twig_assets.similarity.detectors.local_features import local_features

_SEED = 20120616
_ROUNDS = 25


def trained(descriptors: np.ndarray, count: int, seed: int = _SEED) -> np.ndarray:
    """Centres of the halves of descriptors, by k-means.

    Args:
        descriptors: float32 (n, 128).
        count: Centres of either half.
        seed: Of the first centres.

    Returns:
        float16 (2, count, 64).
    """
    import faiss

    centres = []
    for half in (descriptors[:, :64], descriptors[:, 64:]):
        means = faiss.Kmeans(64, count, niter=_ROUNDS, seed=seed, max_points_per_centroid=1000)
        means.train(np.ascontiguousarray(half, np.float32))
        centres.append(np.asarray(means.centroids).reshape(count, 64))
    return np.stack(centres).astype(np.float16)


def training_descriptors() -> np.ndarray:
    """Descriptors of openly licensed drawings and of the photographs in scikit-image's wheel: float32 (n, 128)."""
    import skimage
    from PIL import Image

    from twig_assets.model_zoo.art import sprites

    pictures = []
    for drawing in sprites().values():
        paper = Image.new("RGBA", drawing.size, (255, 255, 255, 255))
        pictures.append(np.asarray(Image.alpha_composite(paper, drawing.convert("RGBA")).convert("RGB")))
    rng = np.random.default_rng(_SEED)
    for path in sorted((Path(skimage.__file__).parent / "data").glob("*")):
        if path.suffix in (".png", ".jpg"):
            photograph = np.asarray(Image.open(path).convert("RGB"))
            height, width = photograph.shape[:2]
            for share in (1, *rng.uniform(0.3, 0.8, 8)):
                tall, wide = int(height * share), int(width * share)
                y, x = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
                pictures.append(photograph[y : y + tall, x : x + wide])
    return np.concatenate([local_features(picture).descriptors for picture in pictures])


if __name__ == "__main__":
    from twig_assets.similarity.index.local_words import HALVES

    np.save(Path(__file__).with_name("words.npy"), trained(training_descriptors(), HALVES), allow_pickle=False)
