"""A batch that is being worked on, and the models that this takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Image, Model, Watermark
from twig_assets.catalog.store import ArtifactStore
from twig_assets.engines import Engine

Item = TypeVar("Item")

Report = Callable[[int, int], None]
"""Called after each chunk with how many images are finished, and of how many."""


class Models(Protocol):
    """Opens models when they are first asked for."""

    def serving(self, campaign: Campaign, model: Model, store: ArtifactStore) -> Any:
        """The campaign's pipeline with the edits of the model that serves, whose files are in the store."""

    def segmenter(self, campaign: Campaign) -> Any:
        """The Segment Anything model that the campaign names."""


@dataclass(frozen=True, eq=False)
class Marked:
    """A picture as it is kept, audited and perhaps published.

    Attributes:
        pixels: uint8 (H, W, 3).
        watermark: What was written into it, by the columns of the table; None if nothing was.
    """

    pixels: np.ndarray
    watermark: dict[str, Any] | None = None

    def row(self, image: Image) -> list[Watermark]:
        """The row of the image's watermark, if it has one."""
        return [Watermark(image=image, **self.watermark)] if self.watermark else []


Marker = Callable[[np.ndarray], Marked]
"""Writes the watermark into a picture that was drawn, uint8 (H, W, 3), before anything else is done with it."""


@dataclass(frozen=True)
class Batch:
    """A batch of a campaign, and where its images and rows are kept.

    Attributes:
        key: Its key.
        campaign: Its campaign, with the settings of every step.
        catalog: Holds its rows.
        store: Holds the files of its images and masks.
        run_id: The Dagster run that works on it, written beside every image.
        marker: Marks the images that may be published; by default they are kept as they were drawn.
        engine: Draws and segments the images, in the same order and with the same bytes; None to do so here, with the
            models that this process keeps open.
    """

    key: str
    campaign: Campaign
    catalog: Catalog
    store: ArtifactStore
    run_id: str
    marker: Marker = Marked
    engine: Engine | None = None


@dataclass(frozen=True)
class Made(Generic[Item]):
    """What was made for a batch.

    Attributes:
        items: The images or masks; empty if the batch lacked none.
        seconds: How long that took, without the opening of the generator.
    """

    items: list[Item]
    seconds: float
