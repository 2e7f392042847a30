"""The pictures of the benchmark `marks`: releases, and strangers that are none."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from twig_assets.bench.audit.copy_sets import SEED, art
from twig_assets.bench.audit.copy_sets import photographs as photograph_set
from twig_assets.bench.audit.photographs import Photograph, crops
from twig_assets.bench.audit.plain_pictures import plain_pictures
from twig_assets.similarity import ReferenceImage

CROP = 160
_OF_A_KIND = 30
_DRAWN_WORKS, _PHOTOGRAPHED_WORKS = 80, 20


@dataclass(frozen=True, eq=False)
class Drawn:
    """What the embedded model drew.

    Attributes:
        releases: uint8 (n, 64, 64, 3).
        siblings: The same prompts with other seeds: the strangers that are most like releases.
        second_images: Regenerated images of the first of `releases`, for the time that they take.
        first_seconds: Processor time of one first image.
        second_seconds: Processor time of one second image, with the search for its shape.
    """

    releases: np.ndarray
    siblings: np.ndarray
    second_images: np.ndarray
    first_seconds: float
    second_seconds: float


@dataclass(frozen=True, eq=False)
class Pictures:
    """All pictures but those that are drawn.

    Attributes:
        photographs: Photographs that are released, uint8 (h, w, 3).
        grounds: Others, on which copies are pasted; some are works too.
        works: Works that releases are audited against: drawings and further photographs.
        strangers: Pictures that are no releases.
    """

    photographs: list[np.ndarray]
    grounds: list[np.ndarray]
    works: list[ReferenceImage]
    strangers: list[np.ndarray]


def draw(releases: int, siblings: int, second: int) -> Drawn:
    """Draw pictures of all concepts that the embedded model knows, in turn.

    Args:
        releases: How many.
        siblings: How many.
        second: How many second images.
    """
    from twig_assets.generation import generate
    from twig_assets.model_zoo import load_pipeline, load_sam
    from twig_assets.model_zoo.art import families
    from twig_assets.regeneration import regenerate
    from twig_assets.segmentation import RememberingSegmenter
    from twig_assets.settings.generation import GenerationSettings
    from twig_assets.settings.regeneration import RegenerationSettings

    concepts = [concept for family in families().values() for concept in family]
    pipeline, settings = load_pipeline(), GenerationSettings()
    sam = load_sam()

    def drawn(count: int, first_seed: int) -> np.ndarray:
        prompts = [f"a {concepts[i % len(concepts)]}" for i in range(count)]
        chunks = range(0, count, settings.batch_size)
        parts = [
            generate(
                pipeline,
                prompts[start : start + settings.batch_size],
                list(range(first_seed + start, first_seed + min(start + settings.batch_size, count))),
                settings,
            )
            for start in chunks
        ]
        return np.concatenate(parts)

    started = time.process_time()
    firsts = drawn(releases, SEED)
    first_seconds = (time.process_time() - started) / releases
    started = time.process_time()
    segmenter = RememberingSegmenter(lambda: sam)
    shapes = [segmentation.mask for segmentation in segmenter.segmentations(firsts[:second])]
    masks = np.stack([shape if shape.any() else np.ones_like(shape) for shape in shapes])
    seconds = regenerate(
        pipeline,
        [f"a {concepts[i % len(concepts)]}" for i in range(second)],
        firsts[:second],
        masks,
        list(range(second)),
        RegenerationSettings(),
        settings,
        [],
        segment=segmenter.objects,
    )
    second_seconds = (time.process_time() - started) / second
    return Drawn(firsts, drawn(siblings, SEED + 100_000), seconds, first_seconds, second_seconds)


def collect(photographs: int, strangers: int) -> Pictures:
    """Collect photographs, works and strangers; no photograph is in two of these.

    Args:
        photographs: How many are released.
        strangers: How many.
    """
    drawings, shot = art(), photograph_set()
    shots = [*shot.references, *shot.strangers]
    released, others = shots[:photographs], shots[photographs:]
    half = len(others) // 2
    works = [*drawings.references[::3][:_DRAWN_WORKS], *others[:_PHOTOGRAPHED_WORKS]]
    plain = [picture for of_kind in plain_pictures(_OF_A_KIND, SEED).values() for picture in of_kind]
    sprites = [_twice(picture) for picture in (*drawings.references, *drawings.strangers)]
    fixed = [*sprites, *plain][: max(0, strangers - 1)]
    sources = [Photograph(str(number), picture) for number, picture in enumerate(others[half:])]
    cut = crops(sources, strangers - len(fixed), CROP, SEED)
    return Pictures(released, others[:half], [_work(i, pixels) for i, pixels in enumerate(works)], [*fixed, *cut])


def _twice(picture: np.ndarray) -> np.ndarray:
    side = 2 * picture.shape[0]
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def _work(number: int, pixels: np.ndarray) -> ReferenceImage:
    return ReferenceImage(Path(f"work-{number}"), f"work {number}", "", "", f"{number:064x}", pixels)
