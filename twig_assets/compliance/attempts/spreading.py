"""Having chunks of images drawn or segmented: here, with the models that are open, or by the workers of an engine."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import cache
from typing import Literal, TypeVar

from twig_assets.catalog.models import Model
from twig_assets.compliance.attempts.batch import Batch, Models
from twig_assets.compliance.attempts.drawing import Drawing, drawing_context
from twig_assets.engines import Shard

Chunk = TypeVar("Chunk")
Drawn = TypeVar("Drawn")


def draws(
    batch: Batch,
    models: Models,
    model: Model,
    draw: Callable[[Drawing, Chunk], Drawn],
    what: Literal["images", "masks"] = "images",
) -> Callable[[Iterable[Chunk]], Iterator[Drawn]]:
    """What draws chunks, one result for each in order, as they come. The same bytes, wherever they are drawn.

    Args:
        batch: The batch, with its engine.
        models: Opens the generator and the segmenter here.
        model: The row of the model that serves.
        draw: A function of `drawing`.
        what: What is made. Without an engine, the generator is opened at once for images, and for masks only when
            it is needed.
    """
    campaign, engine = batch.campaign, batch.engine
    if engine is None:
        serving = cache(lambda: models.serving(campaign, model, batch.store))
        if what == "images":
            serving()
        drawing = Drawing(serving, lambda: models.segmenter(campaign), campaign.generation, campaign.segmentation)
        return lambda chunks: (draw(drawing, chunk) for chunk in chunks)
    context = drawing_context(campaign, model, batch.store)

    def spread(chunks: Iterable[Chunk]) -> Iterator[Drawn]:
        shards = (Shard(f"{what} {i} of {batch.key}", chunk) for i, chunk in enumerate(chunks))
        with closing(engine.map(draw, shards, context)) as results:
            yield from results

    return spread
