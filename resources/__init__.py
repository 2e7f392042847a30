"""Dagster resources: they open what the assets work with, once per process, and hold no logic of their own."""

from resources.campaign import CampaignResource
from resources.catalog import CatalogResource, StoreResource
from resources.models import ModelResource
from resources.notifier import NotifierResource
from resources.progress import ProgressResource
from resources.tracker import TrackerResource

__all__ = [
    "CampaignResource",
    "CatalogResource",
    "ModelResource",
    "NotifierResource",
    "ProgressResource",
    "StoreResource",
    "TrackerResource",
]
