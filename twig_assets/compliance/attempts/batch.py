"""A batch that is being worked on, and the models that this takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Model
from twig_assets.catalog.store import ArtifactStore

Item = TypeVar("Item")

Report = Callable[[int, int], None]
"""Called after each chunk with how many images are finished, and of how many."""


class Models(Protocol):
    """Opens models when they are first asked for."""

    def serving(self, campaign: Campaign, model: Model, store: ArtifactStore) -> Any:
        """The campaign's pipeline with the edits of the model that serves, whose files are in the store."""

    def segmenter(self, campaign: Campaign) -> Any:
        """The Segment Anything model that the campaign names."""


@dataclass(frozen=True)
class Batch:
    """A batch of a campaign, and where its images and rows are kept.

    Attributes:
        key: Its key.
        campaign: Its campaign, with the settings of every step.
        catalog: Holds its rows.
        store: Holds the files of its images and masks.
        run_id: The Dagster run that works on it, written beside every image.
    """

    key: str
    campaign: Campaign
    catalog: Catalog
    store: ArtifactStore
    run_id: str


@dataclass(frozen=True)
class Made(Generic[Item]):
    """What was made for a batch.

    Attributes:
        items: The images or masks; empty if the batch lacked none.
        seconds: How long that took, without the opening of the generator.
    """

    items: list[Item]
    seconds: float
