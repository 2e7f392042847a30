"""One image's lineage together with the places where its runs can be looked at."""

import os
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from rich.markup import escape
from rich.tree import Tree

from twig_assets.catalog.database import open_existing_catalog
from twig_assets.evidence.lineage import AuditLine, ImageLine, Lineage, ModelLine, find_image, lineage
from twig_assets.settings.home import catalog_url, mlflow_url, tracking_uri, ui_port
from twig_assets.tracking import TrackingError
from twig_assets.tracking.runs import runs_of


class MlflowLine(BaseModel):
    """An MLflow run with the figures of one materialization."""

    model_config = ConfigDict(frozen=True)

    name: str
    url: str


class RunLine(BaseModel):
    """A Dagster run, what it made of this, where Dagster shows it, and where MLflow shows its figures."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    made: list[str]
    dagster: str
    mlflow: list[MlflowLine]


class Trace(Lineage):
    """The lineage and its runs; `mlflow_problem` says why the links to MLflow are missing, if they are."""

    runs: list[RunLine]
    mlflow_problem: str | None

    def to_tree(self) -> Tree:
        """The same for people to read."""
        tree = Tree(f"[bold]image {self.image.id}[/] {_image(self.image)}")
        prompt = tree.add(f"[bold]prompt[/] {escape(self.prompt.text)}")
        prompt.add(
            f"campaign {self.prompt.campaign}, batch {self.prompt.batch}, position {self.prompt.position}, "
            f"seed {self.prompt.seed}"
        )
        _add_model(tree, self.model)
        tree.add(f"[bold]parent[/] image {self.parent.id} {_image(self.parent)}" if self.parent else "no parent image")
        for child in self.children:
            tree.add(f"[bold]regenerated as[/] image {child.id} {_image(child)}")
        for mask in self.masks:
            of = "of this image" if mask.image_id == self.image.id else "of the parent, which was avoided"
            told = f"{mask.outcome}, {mask.area:.1%} of the picture, {mask.sha256 or 'no file'}"
            tree.add(f"[bold]mask[/] {of}, {mask.source}: {told}")
        for audit in self.audits:
            _add_audit(tree, audit)
        if not self.audits:
            tree.add("[yellow]not audited[/]")
        for release in self.releases:
            ended = f", withdrawn {_moment(release.withdrawn_at)}: {escape(release.reason or 'no reason given')}"
            tree.add(
                f"[bold]released[/] {_moment(release.released_at)} on audit {release.audit_id}"
                f"{ended if release.withdrawn_at else ''}"
            )
        self._add_runs(tree)
        return tree

    def _add_runs(self, tree: Tree) -> None:
        for run in self.runs:
            branch = tree.add(f"[bold]run[/] {run.run_id}: {', '.join(run.made)}")
            branch.add(f"Dagster: {escape(run.dagster)}")
            for one in run.mlflow:
                branch.add(f"MLflow, {escape(one.name)}: {escape(one.url)}")
        if self.mlflow_problem:
            tree.add(f"[yellow]{escape(self.mlflow_problem)}[/]")


def trace(wanted: str) -> Trace:
    """Find an image and all that is known about it; where MLflow cannot be read, that is said and the rest is given.

    Args:
        wanted: The path of an image file, an image's id, or the first six or more digits of its sha256.

    Raises:
        LineageError: When there is no such image, or several.
        SchemaError: When the catalog cannot be read or does not fit this version.
    """
    catalog = open_existing_catalog(catalog_url())
    try:
        with catalog.snapshot() as session:
            found = lineage(session, find_image(session, wanted))
    finally:
        catalog.close()
    # A server that is down should cost seconds here, not the minutes for which MLflow would go on trying.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    links: dict[str, list[tuple[str, str]]] = {}
    problem = None
    try:
        links = runs_of(tracking_uri(), mlflow_url(), found.run_ids)
    except TrackingError as error:
        problem = str(error)
    runs = [
        RunLine(
            run_id=run_id,
            made=made,
            dagster=f"http://127.0.0.1:{ui_port()}/runs/{run_id}",
            mlflow=[MlflowLine(name=name, url=url) for name, url in links.get(run_id, [])],
        )
        for run_id, made in found.run_ids.items()
    ]
    return Trace(**dict(found), runs=runs, mlflow_problem=problem)


def _image(image: ImageLine) -> str:
    return f"{image.stage}, attempt {image.attempt}, seed {image.seed}, {_moment(image.created_at)}, {image.sha256}"


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "-"


def _add_model(tree: Tree, model: ModelLine) -> None:
    branch = tree.add(f"[bold]model[/] {escape(model.checkpoint)} {model.sha256}")
    for edit in model.edits:
        if edit.concept is None:
            branch.add(f"edit {edit.weights_sha256}, whose concept is no longer known")
        else:
            branch.add(
                f"without {escape(str(edit.target))!r}, which became {escape(str(edit.anchor))!r} "
                f"({edit.kind}, {edit.method}, {edit.weights_sha256})"
            )
    if model.joint_sha256:
        branch.add(f"these edits trained together: {model.joint_sha256}")
    if not model.edits:
        branch.add("no concept edits")


def _add_audit(tree: Tree, audit: AuditLine) -> None:
    under = f"policy {audit.policy_sha256[:12]}, corpus {audit.corpus_sha256[:12]}"
    entry = _entry(audit.ledger_entry)
    branch = tree.add(f"[bold]audit {audit.id}[/] {audit.verdict}, {_moment(audit.created_at)}, {entry}, {under}")
    for reason in audit.reasons:
        branch.add(escape(reason))
    for match in audit.matches:
        scores = ", ".join(f"{k} {v:.3f}" for k, v in match.scores.items() if isinstance(v, float))
        work = escape(f"{match.title} ({match.rights_holder})")
        branch.add(f"near {match.rank}: {work}, {match.transform}, {scores}")
    for review in audit.reviews:
        branch.add(
            f"[bold]review[/] {review.decision} by {escape(review.who)}, {_moment(review.created_at)}, "
            f"{_entry(review.ledger_entry)}: {escape(review.why)}"
        )


def _entry(sequence: int | None) -> str:
    return f"ledger entry {sequence}" if sequence else "[red]in no ledger entry[/]"
