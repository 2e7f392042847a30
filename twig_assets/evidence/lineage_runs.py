"""The lineage of an image with its runs: where Dagster shows them, and where MLflow shows their figures."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from twig_assets.campaign import CampaignError, load_campaign
from twig_assets.campaign.rules_in_force import Rules, rules_in_force
from twig_assets.catalog.database import open_existing_catalog
from twig_assets.catalog.models import Image
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.evidence.lineage import Lineage, find_image, read_lineage
from twig_assets.settings.home import catalog_url, mlflow_url, tracking_uri, ui_port
from twig_assets.similarity import PolicyError


class MlflowLine(BaseModel):
    """An MLflow run with the figures of one materialization."""

    model_config = ConfigDict(frozen=True)

    name: str
    url: str


class RunLine(BaseModel):
    """A Dagster run, what of the lineage it made, where Dagster shows it, and where MLflow shows its figures."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    made: list[str]
    dagster: str
    mlflow: list[MlflowLine]


class ImageLineage(Lineage):
    """A lineage and its runs.

    Attributes:
        runs: The Dagster runs that made the image, its parent, its children and its audits.
        rules_problem: Why the state of the image is not known; None where it is, or where the image has none.
        mlflow_problem: Why the links to MLflow are missing; None where they are not.
    """

    runs: list[RunLine]
    rules_problem: str | None
    mlflow_problem: str | None


def image_lineage(wanted: str, root: Path = Path("campaigns")) -> ImageLineage:
    """Find an image and read all that is known about it.

    Where the campaign's files or MLflow cannot be read, the lineage says so and has the rest.

    Args:
        wanted: The path of an image file, an image's id, or the first six or more digits of its sha256.
        root: The folder that holds the campaigns.

    Raises:
        LineageError: When there is no such image, or several.
        SchemaError: When the catalog cannot be read or does not fit this version.
    """
    catalog = open_existing_catalog(catalog_url())
    try:
        with catalog.snapshot() as session:
            image = find_image(session, wanted)
            rules, rules_problem = _rules(session, image, root)
            lineage = read_lineage(session, image, rules)
    finally:
        catalog.close()
    links, mlflow_problem = _mlflow_links(lineage)
    runs = [
        RunLine(
            run_id=run_id,
            made=made,
            dagster=f"http://127.0.0.1:{ui_port()}/runs/{run_id}",
            mlflow=[MlflowLine(name=name, url=url) for name, url in links.get(run_id, [])],
        )
        for run_id, made in lineage.run_ids.items()
    ]
    return ImageLineage(**dict(lineage), runs=runs, rules_problem=rules_problem, mlflow_problem=mlflow_problem)


def _rules(session: Session, image: Image, root: Path) -> tuple[Rules | None, str | None]:
    """The rules in force for the image's campaign, or why they are not known."""
    try:
        campaign = load_campaign(image.prompt.batch.campaign, root)
        return rules_in_force(session, campaign)[1], None
    except (CampaignError, NotMaterializedError, PolicyError) as error:
        return None, str(error)


def _mlflow_links(lineage: Lineage) -> tuple[dict[str, list[tuple[str, str]]], str | None]:
    """Dagster run -> name and URL of its MLflow runs, and why they are missing if they are."""
    # MLflow takes seconds to load, and the desk shows lineages without it.
    from twig_assets.tracking import TrackingError
    from twig_assets.tracking.runs import runs_of

    try:
        return runs_of(tracking_uri(), mlflow_url(), lineage.run_ids), None
    except TrackingError as error:
        return {}, str(error)
