"""The one file that knows every room: assets, checks, resources and sensors of this Dagster location."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from twig_assets.resources import (
    CampaignsResource,
    CatalogResource,
    EngineResource,
    ModelResource,
    NotifierResource,
    ProgressResource,
    StoreResource,
    TrackerResource,
)
from twig_assets.run_launcher.executors import executor_of, seen_alive
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
from twig_assets.settings.engines import engine_settings  # noqa: E402
from twig_assets.settings.execution import execution_settings  # noqa: E402
from twig_assets.settings.home import (  # noqa: E402
    artifact_root,
    campaigns_folder,
    catalog_url,
    keep_state_private,
    mlflow_artifacts,
    mlflow_url,
    notifier_settings,
    quiet_libraries,
    served_campaigns,
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


def build_defs(
    *,
    assets: Sequence[dg.AssetsDefinition] = (),
    checks: Sequence[dg.AssetChecksDefinition] = (),
    sensors: Sequence[dg.SensorDefinition] = (),
    resources: Mapping[str, Any] | None = None,
    executor: dg.ExecutorDefinition | None = None,
) -> dg.Definitions:
    """The location's definitions. Each override replaces the definition of the same name; with a new name it is added.

    Args:
        assets: Instead of the assets with the same keys. With an asset go the checks that it makes itself.
        checks: Instead of the checks with the same names on the same assets.
        sensors: Instead of the sensors with the same names.
        resources: Instead of the resources with the same names.
        executor: Instead of the one that TWIG_EXECUTION names; see `settings.execution`.
    """
    own_assets = dg.load_assets_from_modules(ASSET_MODULES)
    own_checks = dg.load_asset_checks_from_modules(ASSET_MODULES)
    asset_keys = {key for asset in assets for key in asset.keys}
    check_keys = {key for check in checks for key in check.check_keys}
    names = {sensor.name for sensor in sensors}
    return dg.Definitions(
        assets=[*assets, *(asset for asset in own_assets if not _keys(asset) & asset_keys)],
        asset_checks=[*checks, *(check for check in own_checks if not set(check.check_keys) & check_keys)],
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=[*sensors, *(sensor for sensor in SENSORS if sensor.name not in names)],
        resources={name: _fixed(resource) for name, resource in {**default_resources(), **(resources or {})}.items()},
        executor=seen_alive(executor) if executor else executor_of(execution_settings()),
    )


def default_resources() -> dict[str, Any]:
    """The resources as the environment sets them.

    Raises:
        SettingError: If a variable cannot be used.
    """
    return {
        "campaigns": CampaignsResource(root=str(campaigns_folder()), only=served_campaigns()),
        "catalog": CatalogResource(url=catalog_url()),
        "store": StoreResource(root=artifact_root()),
        "engine": EngineResource(**engine_settings().model_dump()),
        "models": ModelResource(),
        "tracker": TrackerResource(
            uri=tracking_uri(),
            artifacts=mlflow_artifacts(),
            ui_url=mlflow_url(),
            spool=str(spool_folder()),
        ),
        "progress": ProgressResource(),
        "notifier": NotifierResource(**notifier_settings()),
    }


def _fixed(resource: Any) -> dg.ResourceDefinition:
    """A resource that no run's configuration can replace and whose settings no page of Dagster shows.

    Whoever may start a run could otherwise name other files for policy and works, or read the passwords in addresses.
    """
    return dg.ResourceDefinition(resource_fn=lambda _context: resource, config_schema={})


def _keys(asset: Any) -> set[dg.AssetKey]:
    return set(asset.keys) if isinstance(asset, dg.AssetsDefinition) else {asset.key}


quiet_libraries()
# Whatever serves this location writes databases, logs and pictures into the state folder.
keep_state_private()
defs = build_defs()
