"""The command `twig`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from twig_assets.settings.home import (
    catalog_url,
    home,
    mlflow_port,
    mlflow_url,
    quiet_libraries,
    quiet_model_libraries,
    spool_folder,
    tracking_uri,
    ui_port,
)

quiet_libraries()

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
db_app = typer.Typer(no_args_is_help=True, help="The catalog's schema.")
app.add_typer(db_app, name="db")
console = Console()
errors = Console(stderr=True)

CampaignName = Annotated[str, typer.Option("--campaign", help="Folder below campaigns/.")]
CampaignRoot = Annotated[Path, typer.Option("--root", help="Folder that holds the campaigns.")]


@app.command()
def run(campaign: CampaignName = "demo", root: CampaignRoot = Path("campaigns")) -> None:
    """Run a whole campaign: ablate, generate, mask, regenerate, audit, release, report. Goes on where it stopped."""
    import torch

    from twig_assets.campaign import load_campaign
    from twig_assets.orchestration.runner import CampaignRunner

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    here = load_campaign(campaign, root)
    try:
        CampaignRunner(here, console).run()
    except KeyboardInterrupt:
        errors.print("[yellow]Interrupted. What was finished is kept; the same command goes on from here.[/]")
        raise typer.Exit(130) from None
    _send_figures()
    _summary(campaign, root)


@app.command()
def report(campaign: CampaignName = "demo", root: CampaignRoot = Path("campaigns")) -> None:
    """Write the compliance report anew from the catalog and print its path."""
    from twig_assets.reports.dated import report_path
    from twig_assets.campaign import load_campaign
    from twig_assets.catalog.database import open_catalog
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.reports import collect, render
    from twig_assets.settings.home import artifact_root

    here = load_campaign(campaign, root)
    with open_catalog(catalog_url()).session() as session:
        data = collect(session, here, ArtifactStore(artifact_root()))
    path = report_path(here.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    render(data, path)
    _summary(campaign, root)


@app.command()
def ui(campaign: CampaignName = "demo", root: CampaignRoot = Path("campaigns")) -> None:
    """Open Dagster and MLflow on loopback; Ctrl-C ends both. TWIG_UI_PORT and TWIG_MLFLOW_PORT choose other ports."""
    from twig_assets.campaign import load_campaign
    from twig_assets.orchestration.servers import serve

    raise typer.Exit(serve(load_campaign(campaign, root), console))


@app.command()
def generate(
    prompt: Annotated[list[str], typer.Argument(help="One or more prompts.")],
    out: Annotated[Path, typer.Option(help="Folder for the images.")] = Path("."),
    checkpoint: Annotated[str, typer.Option(help="`embedded`, a folder or a hub id.")] = "embedded",
    seed: Annotated[int, typer.Option(help="Seed of the first image; the others follow.")] = 0,
) -> None:
    """Draw prompts with a checkpoint, without a campaign."""
    from PIL import Image

    from twig_assets import generation

    quiet_model_libraries()
    pipeline = generation.load_checkpoint(checkpoint)
    out.mkdir(parents=True, exist_ok=True)
    pictures = generation.generate(pipeline, prompt, range(seed, seed + len(prompt)))
    for k, picture in enumerate(pictures):
        path = out / f"{seed + k}.png"
        Image.fromarray(picture).save(path)
        console.print(path)


@app.command()
def ablate(
    target: Annotated[str, typer.Argument(help="What shall no longer be drawn; for `memorized`, the whole caption.")],
    anchor: Annotated[str, typer.Option(help="What is drawn in its place; for a style, perhaps nothing.")] = "",
    kind: Annotated[str, typer.Option(help="`object`, `style` or `memorized`.")] = "object",
    alias: Annotated[list[str] | None, typer.Option(help="Another word for it, removed with it; repeatable.")] = None,
    preserve: Annotated[list[str] | None, typer.Option(help="What must stay as it is; repeatable.")] = None,
    checkpoint: Annotated[str, typer.Option(help="`embedded`, a folder or a hub id.")] = "embedded",
    method: Annotated[str | None, typer.Option(help="fast, closed_form, model_based or noise_based.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Images of target and anchor to judge it by.")] = 8,
    out: Annotated[Path | None, typer.Option(help="The edit's file; NAME.safetensors here when not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The evaluation as JSON on standard output.")] = False,
) -> None:
    """Remove one concept from a checkpoint and write the edit. Exit status 1 if its gate refuses it."""
    import re

    import torch

    from twig_assets.ablation.remove_concept import ablation_request, remove_concept, tables

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    quiet_model_libraries()
    name = "-".join(re.findall(r"[a-z0-9]+", target.lower()))[:60] or "concept"
    concept, settings = ablation_request(
        {
            "name": name,
            "target": target,
            "anchor": anchor,
            "kind": kind,
            "aliases": alias or [],
            "preserve": preserve or [],
        },
        {"evaluation": {"samples": samples}, **({"method": method} if method else {})},
    )
    done = remove_concept(checkpoint, concept, settings, out or Path(f"{name}.safetensors"))
    if as_json:
        sys.stdout.write(done.evaluation.model_dump_json(indent=2) + "\n")
    else:
        for table in tables(done.evaluation):
            console.print(table)
    report = errors if as_json else console
    report.print(f"Edit: {done.file}   before and after: {done.picture}", soft_wrap=True, markup=False)
    for why in done.evaluation.refusals:
        errors.print(f"[red]refused[/]: {escape(why)}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if done.evaluation.accepted else 1)


@app.command()
def prompts(
    images: Annotated[Path, typer.Argument(help="A folder of pictures, or one: references, or a brief's.")],
    out: Annotated[Path, typer.Option(help="The prompts file to write, such as campaigns/NAME/prompts_auto.yaml.")],
    template: Annotated[list[str] | None, typer.Option(help="A text with {caption}; repeatable.")] = None,
    captioner: Annotated[str | None, typer.Option(help="An image-to-text model such as BLIP: folder, hub id.")] = None,
    campaign: CampaignName = "demo",
    root: CampaignRoot = Path("campaigns"),
) -> None:
    """Make prompts from pictures: captioned (by the embedded CLIP), set into templates, protected words rewritten."""
    from twig_assets.campaign import load_campaign
    from twig_assets.campaign.prompts_from_pictures import write_prompts

    quiet_model_libraries()
    made = write_prompts(images, out, load_campaign(campaign, root), template, captioner)
    for text, before in made.items():
        console.print(text if text == before else f"{text}   (was: {before})", markup=False, soft_wrap=True)
    console.print(f"{len(made)} prompts: {out}", soft_wrap=True, markup=False)


@app.command()
def audit(
    images: Annotated[Path, typer.Argument(help="A folder of images, or one image.")],
    references: Annotated[Path, typer.Option(help="Folder of the protected works, perhaps with a references.csv.")],
    policy: Annotated[Path | None, typer.Option(help="A policy.yaml; without one, the default thresholds.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results; the same one again goes on.")] = Path("audit"),
    sample: Annotated[int, typer.Option(min=0, help="Works to compare with the rest, and copies to plant.")] = 18,
    gallery: Annotated[int, typer.Option(min=0, help="Images the page shows, the worst first.")] = 200,
    strict: Annotated[bool, typer.Option("--strict", help="Exit status 1 unless every image passes.")] = False,
) -> None:
    """Audit a folder of images without a campaign. Exit status 1 if an image fails, 2 if it could not be done."""
    from twig_assets.folder_audit import audit_folder
    from twig_assets.similarity import Policy, read_policy

    rules = read_policy(policy) if policy else Policy()
    try:
        outcome = audit_folder(images, references, rules, out, sample=sample, shown=gallery, bars=True)
    except KeyboardInterrupt:
        errors.print("[yellow]Interrupted. What was compared is kept; the same command goes on from here.[/]")
        raise typer.Exit(130) from None
    counts = outcome.summary["images"]
    table = Table("files", "fail", "review", "inconclusive", "pass", "highest SSIM")
    highest = outcome.summary["ssim"]["maximum"]
    verdicts = [str(counts[name]) for name in ("files", "fail", "review", "inconclusive", "pass")]
    table.add_row(*verdicts, "-" if highest is None else f"{highest:.3f}")
    console.print(table)
    for one in outcome.summary["references"]["not_compared"]:
        errors.print(f"[yellow]not compared with[/] {escape(one['file'])}: {escape(one['reason'])}", soft_wrap=True)
    console.print(f"Gallery: {out / 'gallery.html'}", soft_wrap=True, markup=False)
    if outcome.waived:
        console.print(f"Waived: {', '.join(outcome.waived)}", soft_wrap=True, markup=False)
    open_verdicts = [one.verdict for one in outcome.judged if one.file.name not in outcome.waived]
    held = "fail" in open_verdicts or (strict and set(open_verdicts) - {"pass"})
    raise typer.Exit(1 if held else 0)


@app.command()
def review(
    image: Annotated[
        str | None, typer.Argument(help="The image: its name in an audit's output, or its sha256.")
    ] = None,
    who: Annotated[str, typer.Option(help="Who decides.")] = "",
    why: Annotated[str, typer.Option(help="The reason, for those who ask later.")] = "",
    against: Annotated[bool, typer.Option("--against", help="Hold it back, or take a waiver back.")] = False,
    out: Annotated[Path | None, typer.Option(help="The output of a `twig audit`.")] = None,
    campaign: CampaignName = "demo",
    root: CampaignRoot = Path("campaigns"),
) -> None:
    """Let an image through although it fails, or list what waits for a decision. Holds for it beside those works."""
    if out is not None:
        _review_output(out, image, who, why, against)
    else:
        _review_campaign(campaign, root, image, who, why, against)


def _review_output(out: Path, image: str | None, who: str, why: str, against: bool) -> None:
    from twig_assets.folder_audit import waivers

    if image is None:
        for pair in waivers.read_waivers(out).values():
            console.print(f"waived: {pair.image} beside {pair.title!r}, by {pair.who}: {pair.why}", markup=False)
        return
    for made in waivers.decide(out, image, "revoke" if against else "waive", who, why):
        console.print(f"{made.decision}d: {made.image} beside {made.title!r}", markup=False, soft_wrap=True)
    console.print("Run twig audit again, with the same --out, to see it on the page; nothing is compared anew.")


def _review_campaign(name: str, root: Path, image: str | None, who: str, why: str, against: bool) -> None:
    from twig_assets.campaign import load_campaign
    from twig_assets.campaign.rules_in_force import rules_in_force
    from twig_assets.catalog.database import open_catalog
    from twig_assets.compliance import decide, waiting

    here = load_campaign(name, root)
    with open_catalog(catalog_url()).session() as session:
        _, rules = rules_in_force(session, here)
        if image is not None:
            decide(session, name, rules, image, "reject" if against else "waive", who, why)
        table = Table("image", "prompt", "verdict", "state", "why", "decided")
        for one in waiting(session, name, rules):
            said = f"{one.decision.decision}: {one.decision.who}, {one.decision.why}" if one.decision else ""
            table.add_row(one.image_sha256[:12], one.prompt, one.verdict, one.state, "; ".join(one.reasons), said)
        console.print(table)


@app.command()
def calibrate(
    images: Annotated[Path, typer.Argument(help="A folder of images that copy none of the protected works.")],
    references: Annotated[Path, typer.Option(help="Folder of the protected works.")],
    policy: Annotated[Path | None, typer.Option(help="A policy.yaml to start from.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("calibration"),
    rate: Annotated[float, typer.Option(help="Wanted share of clean images that fail, 0 to 1.")] = 0.01,
    copies: Annotated[int, typer.Option(min=0, help="Copies of works to plant, to see what is found.")] = 72,
) -> None:
    """Propose thresholds: writes policy.yaml, and a page with the distributions of clean images and of copies."""
    from twig_assets.folder_audit import calibrate_folder
    from twig_assets.similarity import Policy, read_policy

    rules = read_policy(policy) if policy else Policy()
    try:
        found = calibrate_folder(images, references, rules, out, false_alarms=rate, copies=copies, bars=True)
    except KeyboardInterrupt:
        errors.print("[yellow]Interrupted. What was compared is kept; the same command goes on from here.[/]")
        raise typer.Exit(130) from None
    table = Table("score", "fails from", "false alarms", "copies found")
    for one in found.proposals:
        copied = "-" if one.detected is None else f"{one.detected:.0%}"
        table.add_row(one.limit.score, f"{one.limit.direction} {one.limit.value}", f"{one.false_alarms:.2%}", copied)
    together = "-" if found.detected is None else f"{found.detected:.0%}"
    table.add_row("together", "", f"{found.false_alarms:.2%} (not above {found.upper:.2%})", together)
    console.print(table)
    console.print(f"Policy: {out / 'policy.yaml'}   Page: {out / 'calibration.html'}", soft_wrap=True, markup=False)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="What to measure; `list` names them.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A smaller sample.")] = False,
    grid: Annotated[Path | None, typer.Option(help="Also save a PNG of the images that were judged.")] = None,
    methods: Annotated[str | None, typer.Option(help="Of `ablation`: only these, with commas between.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Of `ablation`: only these, with commas between; or `all`.")] = None,
) -> None:
    """Measure, in this run, a figure that the documentation states."""
    import torch

    from twig_assets import bench as benchmarks

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if name == "list":
        console.print("\n".join(benchmarks.names()))
        return
    quiet_model_libraries()
    found = benchmarks.run(name, quick, grid, _listed(methods), _listed(tasks))
    if as_json:
        sys.stdout.write(found.to_json() + "\n")
    else:
        console.print(found.to_table())


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


@app.command()
def verify(
    head: Annotated[
        list[str] | None, typer.Option(metavar="SEQUENCE:SHA256", help="A ledger's head that you kept; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Find altered, missing or moved audits and decisions, and altered artifacts. Exit status 1 if there are any."""
    from twig_assets.evidence.verification import verify_everything

    found = verify_everything(head or [])
    if as_json:
        sys.stdout.write(found.to_json() + "\n")
    else:
        for one in found.findings:
            console.print(f"[red]{escape(one.subject)}[/]: {escape(one.problem)}", highlight=False, soft_wrap=True)
        console.print(found.summary(), highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(1 if found.findings else 0)


@app.command()
def lineage(
    image: Annotated[str, typer.Argument(help="An image's file, its id, or the first digits of its sha256.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    root: CampaignRoot = Path("campaigns"),
) -> None:
    """Print where one image comes from and what was decided about it: prompt, model, masks, audits, reviews, runs."""
    from twig_assets.evidence.lineage_runs import image_lineage
    from twig_assets.evidence.lineage_tree import lineage_tree

    found = image_lineage(image, root)
    if as_json:
        sys.stdout.write(found.model_dump_json(indent=2) + "\n")
    else:
        # A tree is cut off at its console's width, soft wrap or not, and evidence must not be.
        Console(width=10_000).print(lineage_tree(found), soft_wrap=True)


@app.command()
def track() -> None:
    """Send MLflow the figures that it did not take when they were made. Exit status 1 if some still wait."""
    raise typer.Exit(0 if _send_figures() else 1)


def _send_figures() -> bool:
    """Send what waits, say so, and return whether nothing waits any more."""
    from twig_assets.tracking import Sender, Spool, TrackingError

    spool = Spool(spool_folder())
    if not spool.waiting():
        return True
    try:
        sent, troubles = Sender(tracking_uri(), str(home() / "mlflow-artifacts"), mlflow_url(), spool).send_waiting()
    except TrackingError as error:
        sent, troubles = 0, [str(error)]
    for trouble in troubles:
        errors.print(f"[yellow]{escape(trouble)}[/]", highlight=False, soft_wrap=True)
    left = len(spool.waiting())
    said = f"{left} still wait in {spool.folder}; `twig track` sends them" if left else f"{sent} sent that had waited"
    console.print(f"MLflow: figures of materializations: {said}.", highlight=False, soft_wrap=True, markup=False)
    return not left


@app.command()
def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Delete them; without it they are only listed.")] = False,
    grace_hours: Annotated[
        float, typer.Option(min=1, help="Younger files stay: a batch at work may be about to refer to them.")
    ] = 24,
) -> None:
    """List artifacts that no row of the catalog refers to; reports are kept."""
    from twig_assets.catalog.database import open_existing_catalog
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.evidence.garbage import HOUR, find_garbage, remove
    from twig_assets.settings.home import artifact_root

    catalog = open_existing_catalog(catalog_url())
    found = find_garbage(catalog, ArtifactStore(artifact_root()), grace_hours * HOUR)
    catalog.close()
    gone = []
    for file in remove(found) if delete else found:
        console.print(str(file.path), soft_wrap=True, markup=False, highlight=False)
        gone.append(file)
    size = sum(file.size for file in gone) / 1e6
    done = "deleted" if delete else "not deleted; --delete does it"
    console.print(f"{len(gone)} files that nothing refers to, {size:.1f} MB, {done}.", highlight=False)


@db_app.command("upgrade")
def db_upgrade() -> None:
    """Bring the catalog's tables up to this version."""
    from twig_assets.catalog.database import schema_state, upgrade

    before = schema_state(catalog_url())
    upgrade(catalog_url())
    console.print("The catalog was up to date already." if before == "current" else "The catalog is up to date now.")


@db_app.command("check")
def db_check() -> None:
    """Say whether the catalog fits this version; exit status 1 if it does not."""
    from twig_assets.catalog.database import schema_problem, schema_state

    problem = schema_problem(catalog_url())
    console.print(problem or schema_state(catalog_url()), soft_wrap=True, markup=False)
    raise typer.Exit(1 if problem else 0)


def _summary(campaign: str, root: Path) -> None:
    from twig_assets.reports.dated import report_path
    from twig_assets.campaign import load_campaign
    from twig_assets.catalog.database import open_catalog
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.reports import collect
    from twig_assets.settings.home import artifact_root

    with open_catalog(catalog_url()).session() as session:
        counts = collect(session, load_campaign(campaign, root), ArtifactStore(artifact_root())).counts
    table = Table("prompts", "images", "failed", "released", "quarantined", "worst released SSIM")
    worst = "-" if counts.worst_released_ssim is None else f"{counts.worst_released_ssim:.3f}"
    figures = (counts.prompts, counts.images, counts.failed, counts.released, counts.quarantined)
    table.add_row(*map(str, figures), worst)
    console.print(table)
    console.print(f"Report: {report_path(campaign)}", soft_wrap=True)
    console.print(
        f"State:  {home()}   `make ui` shows it on http://127.0.0.1:{ui_port()} and :{mlflow_port()}", soft_wrap=True
    )


def main() -> None:
    """Run the command; the project's own errors come as one clear message, anything else is a bug with a traceback."""
    try:
        app()
    except Exception as error:
        if not type(error).__module__.startswith("twig_assets."):
            raise
        errors.print(f"[red]{type(error).__name__}[/]: {escape(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
