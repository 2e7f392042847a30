"""Dagster resources: they open what the assets work with, once per process, and hold no logic of their own."""

from twig_assets.resources.campaigns import CampaignsResource
from twig_assets.resources.catalog import CatalogResource, StoreResource
from twig_assets.resources.engine import EngineResource
from twig_assets.resources.models import ModelResource
from twig_assets.resources.notifier import NotifierResource
from twig_assets.resources.progress import ProgressResource
from twig_assets.resources.tracker import TrackerResource

__all__ = [
    "CampaignsResource",
    "CatalogResource",
    "EngineResource",
    "ModelResource",
    "NotifierResource",
    "ProgressResource",
    "StoreResource",
    "TrackerResource",
]
