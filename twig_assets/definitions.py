"""The one file that knows every room: assets, checks, resources and sensors of this Dagster location."""

import os
import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from twig_assets.resources import (
    CampaignResource,
    CatalogResource,
    ModelResource,
    NotifierResource,
    ProgressResource,
    StoreResource,
    TrackerResource,
)
from twig_assets.sensors import JOBS, SCHEDULES, SENSORS

# Checks per partition are announced as a preview; without them one failing batch would hold up all others.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

from twig_assets.assets import (  # noqa: E402
    ablated_models,
    audit_warnings,
    compliance_report,
    composed_model,
    generated_images,
    masks,
    prompts,
    protected_concepts,
    reference_corpus,
    regenerated_images,
    released_images,
    similarity_audits,
)
from twig_assets.settings.home import (  # noqa: E402
    artifact_root,
    catalog_url,
    home,
    mlflow_url,
    notifier_settings,
    quiet_libraries,
    spool_folder,
    tracking_uri,
)

ASSET_MODULES = [
    prompts,
    protected_concepts,
    reference_corpus,
    ablated_models,
    composed_model,
    generated_images,
    masks,
    regenerated_images,
    similarity_audits,
    audit_warnings,
    released_images,
    compliance_report,
]


def build_defs(overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The location's definitions.

    Args:
        overrides: Resources to use instead of the default ones, by name.
    """
    resources: dict[str, Any] = {
        "campaign": CampaignResource(
            name=os.environ.get("TWIG_CAMPAIGN", "demo"), root=os.environ.get("TWIG_CAMPAIGNS", "campaigns")
        ),
        "catalog": CatalogResource(url=catalog_url()),
        "store": StoreResource(root=artifact_root()),
        "models": ModelResource(),
        "tracker": TrackerResource(
            uri=tracking_uri(),
            artifacts=str(home() / "mlflow-artifacts"),
            ui_url=mlflow_url(),
            spool=str(spool_folder()),
        ),
        "progress": ProgressResource(),
        "notifier": NotifierResource(**notifier_settings()),
    }
    return dg.Definitions(
        assets=dg.load_assets_from_modules(ASSET_MODULES),
        asset_checks=dg.load_asset_checks_from_modules(ASSET_MODULES),
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={**resources, **(overrides or {})},
        executor=dg.in_process_executor,
    )


quiet_libraries()
defs = build_defs()
