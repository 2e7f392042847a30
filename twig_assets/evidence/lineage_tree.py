"""The lineage of an image as a tree, for a person to read in a terminal."""

from datetime import datetime

from rich.markup import escape
from rich.tree import Tree

from twig_assets.evidence.lineage import (
    AdherenceLine,
    AuditLine,
    DecisionLine,
    ImageLine,
    MaskLine,
    ModelLine,
    ReleaseLine,
)
from twig_assets.evidence.lineage_runs import ImageLineage


def lineage_tree(lineage: ImageLineage) -> Tree:
    """Everything in a lineage, what the image came from first."""
    tree = Tree(f"[bold]image {lineage.image.id}[/] {_image(lineage.image)}")
    if lineage.state:
        tree.add(f"[bold]state under the rules in force[/] {lineage.state}")
    elif lineage.rules_problem:
        tree.add(f"[yellow]state not known: {escape(lineage.rules_problem)}[/]")
    prompt = lineage.prompt
    tree.add(f"[bold]prompt[/] {escape(prompt.text)}").add(
        f"campaign {prompt.campaign}, batch {prompt.batch}, position {prompt.position}, seed {prompt.seed}"
    )
    _add_model(tree, lineage.model)
    _add_rerun(tree, lineage.image)
    parent = lineage.parent
    tree.add(f"[bold]parent[/] image {parent.id} {_image(parent)}" if parent else "no parent image")
    for child in lineage.children:
        tree.add(f"[bold]regenerated as[/] image {child.id} {_image(child)}")
    for mask in lineage.masks:
        tree.add(_mask(mask, lineage.image))
    for audit in lineage.audits:
        _add_audit(tree, audit)
    if not lineage.audits:
        tree.add("[yellow]not audited[/]")
    for verdict in lineage.adherence:
        _add_adherence(tree, verdict)
    if not lineage.adherence:
        tree.add("[yellow]nobody has judged whether it shows its prompt[/]")
    for decision in lineage.decisions:
        _add_decision(tree, decision)
    for release in lineage.releases:
        tree.add(_release(release))
    _add_runs(tree, lineage)
    return tree


def _add_decision(tree: Tree, decision: DecisionLine) -> None:
    """A decision, what it was about, and what it comes to today."""
    made = tree.add(
        f"[bold]decision[/] {decision.decision} by {escape(decision.who)}, {_moment(decision.created_at)}, "
        f"{_entry(decision.ledger_entry)}: {escape(decision.why)}"
    )
    made.add(f"beside audit {decision.audit_id}, {escape(decision.verdict)}")
    if decision.standing:
        made.add(f"today: {escape(decision.standing)}")


def _image(image: ImageLine) -> str:
    return f"{image.stage}, attempt {image.attempt}, seed {image.seed}, {_moment(image.created_at)}, {image.sha256}"


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "-"


def _mask(mask: MaskLine, image: ImageLine) -> str:
    owner = "of this image" if mask.image_id == image.id else "of the parent, which was avoided"
    return (
        f"[bold]mask[/] {owner}, {mask.source}: {mask.outcome}, {mask.area:.1%} of the picture, "
        f"{mask.sha256 or 'no file'}"
    )


def _signed(release: ReleaseLine) -> str:
    if release.published_sha256 is None:
        return ", without a credential"
    key = " (a test key)" if release.test_key else ""
    stamp = f", time-stamped {_moment(release.time_stamp)}" if release.time_stamp else ", without a time stamp"
    return f", signed by {escape(release.signer or 'somebody without a name')}{key}{stamp}: {release.published_sha256}"


def _release(release: ReleaseLine) -> str:
    line = f"[bold]released[/] {_moment(release.released_at)} on audit {release.audit_id}{_signed(release)}"
    if release.withdrawn_at is None:
        return line
    return f"{line}, withdrawn {_moment(release.withdrawn_at)}: {escape(release.reason or 'no reason given')}"


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


def _add_rerun(tree: Tree, image: ImageLine) -> None:
    applied = image.settings.get("applied", {})
    if not applied.get("reason"):
        return
    evidence = "an image" if applied["evidence"] else "no image"
    said = f"for {applied['reason']}, when {evidence} of its prompt had been found to be a copy"
    used = sorted(applied["regeneration"].items())
    tree.add(f"[bold]drawn again[/] {said}").add(
        escape("with " + ", ".join(f"{name} {_short(value)}" for name, value in used))
    )


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _add_adherence(tree: Tree, verdict: AdherenceLine) -> None:
    under = f"judge {verdict.judge_sha256[:12]}, threshold {verdict.threshold}"
    line = f"{verdict.verdict}, {_moment(verdict.created_at)}, {_entry(verdict.ledger_entry)}, {under}"
    branch = tree.add(f"[bold]adherence {verdict.id}[/] {line}")
    branch.add(escape(verdict.reason))
    if verdict.taken_for:
        branch.add(escape(f"looks most like {verdict.taken_for}"))


def _entry(sequence: int | None) -> str:
    return f"ledger entry {sequence}" if sequence else "[red]in no ledger entry[/]"


def _add_runs(tree: Tree, lineage: ImageLineage) -> None:
    for run in lineage.runs:
        branch = tree.add(f"[bold]run[/] {run.run_id}: {', '.join(run.made)}")
        branch.add(f"Dagster: {escape(run.dagster)}")
        for mlflow in run.mlflow:
            branch.add(f"MLflow, {escape(mlflow.name)}: {escape(mlflow.url)}")
    if lineage.mlflow_problem:
        tree.add(f"[yellow]{escape(lineage.mlflow_problem)}[/]")
