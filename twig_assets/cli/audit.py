"""Commands that compare images with protected works, and decide on what was found: audit, calibrate, review."""

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from twig_assets.cli.app import (
    Address,
    CampaignRoot,
    EngineOption,
    Workers,
    brought,
    chosen_engine,
    console,
    errors,
    interruptible,
    the_campaign,
)
from twig_assets.settings.home import catalog_url

if TYPE_CHECKING:
    from twig_assets.compliance import Waiting
    from twig_assets.compliance.decisions import Decision


def audit(
    images: Annotated[str, typer.Argument(help="A folder of images, or one image; a path or an fsspec URL.")],
    references: Annotated[
        str,
        typer.Option(
            help="Folder of the protected works, perhaps with a references.csv, or an index; a path or an fsspec URL."
        ),
    ],
    policy: Annotated[Path | None, typer.Option(help="A policy.yaml; without one, the default thresholds.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results; an audit into the same folder continues.")] = Path(
        "audit"
    ),
    sample: Annotated[int, typer.Option(min=0, help="Works to compare with the rest, and copies to plant.")] = 18,
    gallery: Annotated[int, typer.Option(min=0, help="Images the page shows, the worst first.")] = 200,
    workers: Workers = None,
    engine: EngineOption = "processes",
    address: Address = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit status 1 unless every image passes.")] = False,
    allow_unread: Annotated[
        bool, typer.Option("--allow-unread", help="Accept works that could not be compared: no exit status 3 for them.")
    ] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Follow symbolic links that lead out of the folders.")
    ] = False,
) -> None:
    """Audit a folder of images without a campaign.

    Exit status 1 if an image fails, 2 if the audit could not be done, 3 if no image fails but a work was not compared.
    """
    from twig_assets.folder_audit import audit_folder
    from twig_assets.settings.corpus import CorpusSettings
    from twig_assets.similarity import Policy, read_part, read_policy

    rules = read_policy(policy) if policy else Policy()
    corpus = read_part(policy, CorpusSettings) if policy else CorpusSettings()
    follow_links = follow_links or corpus.follow_links
    settings = chosen_engine(engine, workers, address)
    with interruptible("What was compared"):
        image_folder, image_copies = brought(images, settings)
        work_folder, work_copies = brought(references, settings)
        outcome = audit_folder(
            image_folder,
            work_folder,
            rules,
            brought(str(out), settings)[0],
            sample=sample,
            shown=gallery,
            follow_links=follow_links,
            bars=True,
            engine=settings,
            copies=image_copies + work_copies,
        )
    counts = outcome.summary["images"]
    table = Table("files", "fail", "review", "inconclusive", "pass", "highest SSIM")
    highest = outcome.summary["ssim"]["maximum"]
    verdicts = [str(counts[name]) for name in ("files", "fail", "review", "inconclusive", "pass")]
    table.add_row(*verdicts, "-" if highest is None else f"{highest:.3f}")
    console.print(table)
    references_read = outcome.summary["references"]
    for file in references_read["not_compared"]:
        errors.print(f"[yellow]not compared with[/] {escape(file['file'])}: {escape(file['reason'])}", soft_wrap=True)
    for file in references_read["unread"]:
        if file not in references_read["not_compared"]:
            errors.print(f"[yellow]incomplete[/] {escape(file['file'])}: {escape(file['reason'])}", soft_wrap=True)
    if not outcome.summary["complete"]:
        hint = "their copies cannot be found; mend them, take them out, or accept that with --allow-unread"
        errors.print(
            f"[red]The audit is incomplete[/]: works were not, or not wholly, compared; {hint}", soft_wrap=True
        )
    console.print(f"Gallery: {out / 'gallery.html'}", soft_wrap=True, markup=False)
    if outcome.waived:
        console.print(f"Waived: {', '.join(outcome.waived)}", soft_wrap=True, markup=False)
    open_verdicts = [image.verdict for image in outcome.judged if image.file.name not in outcome.waived]
    held = "fail" in open_verdicts or (strict and set(open_verdicts) - {"pass"})
    unaccepted = {file["file"] for file in references_read["unread"]} - set(corpus.accept_unread)
    raise typer.Exit(1 if held else 3 if unaccepted and not allow_unread else 0)


def calibrate(
    images: Annotated[Path, typer.Argument(help="A folder of images that copy none of the protected works.")],
    references: Annotated[Path, typer.Option(help="Folder of the protected works.")],
    policy: Annotated[Path | None, typer.Option(help="A policy.yaml to start from.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("calibration"),
    rate: Annotated[float, typer.Option(help="Wanted share of clean images that fail, 0 to 1.")] = 0.01,
    copies: Annotated[int, typer.Option(min=0, help="Copies of works to plant, to see what is found.")] = 72,
    like: Annotated[
        Path | None, typer.Option(help="Images that you will audit: says whether the clean ones are like them.")
    ] = None,
    loosen: Annotated[
        bool, typer.Option("--loosen", help="Let thresholds become looser than those of the policy to start from.")
    ] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Follow symbolic links that lead out of the folders.")
    ] = False,
) -> None:
    """Propose thresholds: writes policy.yaml, and a page with the distributions of clean images and of copies.

    Wants a few hundred clean images. No threshold becomes looser than the policy's to start from without --loosen.
    """
    from twig_assets.folder_audit import calibrate_folder
    from twig_assets.similarity import Policy, read_policy

    rules = read_policy(policy) if policy else Policy()
    with interruptible("What was compared"):
        proposed = calibrate_folder(
            images,
            references,
            rules,
            out,
            false_alarms=rate,
            copies=copies,
            loosen=loosen,
            like=like,
            follow_links=follow_links,
            bars=True,
        )
    calibration = proposed.calibration
    table = Table("score", "fails from", "false alarms", "copies found")
    for proposal in calibration.proposals:
        copied = "-" if proposal.detected is None else f"{proposal.detected:.0%}"
        table.add_row(
            proposal.limit.score,
            f"{proposal.limit.direction} {proposal.limit.value}",
            f"{proposal.false_alarms:.2%}",
            copied,
        )
    together = "-" if calibration.detected is None else f"{calibration.detected:.0%}"
    table.add_row("together", "", f"{calibration.false_alarms:.2%} (not above {calibration.upper:.2%})", together)
    console.print(table)
    for warning in proposed.warnings:
        errors.print(f"[yellow]beware[/] {escape(warning)}", soft_wrap=True)
    if proposed.clean:
        console.print(f"Holds for images like these: {proposed.clean}", soft_wrap=True, markup=False)
    console.print(f"Policy: {out / 'policy.yaml'}   Page: {out / 'calibration.html'}", soft_wrap=True, markup=False)
    command = ["twig", "audit", str(like or "IMAGES"), "--references", str(references)]
    next_command = shlex.join([*command, "--policy", str(out / "policy.yaml")])
    console.print(f"Next: {next_command}", soft_wrap=True, markup=False)


def review(
    image: Annotated[
        str | None, typer.Argument(help="The image: its name in an audit's output, or its sha256.")
    ] = None,
    who: Annotated[str, typer.Option(help="Who decides.")] = "",
    why: Annotated[str, typer.Option(help="The reason, for those who ask later.")] = "",
    against: Annotated[bool, typer.Option("--against", help="Reject it: it stays held back until a --lift.")] = False,
    lift: Annotated[bool, typer.Option("--lift", help="Take back what was decided before.")] = False,
    history: Annotated[
        bool, typer.Option("--history", help="All that people decided, and what ended, in order.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="The output of a `twig audit`.")] = None,
    unread: Annotated[
        str | None, typer.Option(help="A file of the campaign's works that could not be compared: accept that.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A campaign's list as JSON on standard output.")] = False,
    campaign: Annotated[str | None, typer.Option(help="Folder below campaigns/; may be left out if it is one.")] = None,
    root: CampaignRoot = Path("campaigns"),
) -> None:
    """Let an image through, or list what waits and why. A waiver holds for it beside the works behind its verdict."""
    if image is None and unread is None and (who or why or against or lift):
        raise typer.BadParameter("names no image to decide about; `twig review` lists them", param_hint="IMAGE")
    if against and lift:
        raise typer.BadParameter("is of no use with --against; give one of them", param_hint="--lift")
    if unread is not None and (image is not None or against):
        raise typer.BadParameter("is about a file of the corpus; leave IMAGE and --against out", param_hint="--unread")
    decision: Decision = "reject" if against else "lift" if lift else "waive"
    if out is not None:
        if campaign is not None or history:
            raise typer.BadParameter("is a folder audit's and no campaign's; leave one of them out", param_hint="--out")
        _review_output(out, image, who, why, decision)
    elif unread is not None:
        _review_unread(campaign or the_campaign(root), root, unread, who, why, lift)
    elif history and image is None:
        _review_history(campaign or the_campaign(root), root, as_json)
    else:
        _review_campaign(campaign or the_campaign(root), root, image, who, why, decision, as_json)


def _review_output(out: Path, image: str | None, who: str, why: str, decision: "Decision") -> None:
    from twig_assets.folder_audit import waivers

    if image is None:
        for pair in waivers.read_waivers(out).values():
            console.print(f"waived: {pair.image} beside {pair.title!r}, by {pair.who}: {pair.why}", markup=False)
        return
    for made in waivers.decide(out, image, "waive" if decision == "waive" else "revoke", who, why):
        console.print(f"{made.decision}d: {made.image} beside {made.title!r}", markup=False, soft_wrap=True)
    console.print("Run twig audit again, with the same --out, to see it on the page; nothing is compared again.")


def _review_unread(name: str, root: Path, file: str, who: str, why: str, lift: bool) -> None:
    from twig_assets.campaign import load_campaign
    from twig_assets.campaign.unread_works import decide_unread
    from twig_assets.catalog.database import open_catalog

    settings = load_campaign(name, root)
    with open_catalog(catalog_url()).session() as session:
        made = decide_unread(session, settings, file, "lift" if lift else "accept", who, why)
        said = "accepted that nothing is compared with it" if made.decision == "accept" else "taken back"
        console.print(f"{made.file}: {said}", markup=False, soft_wrap=True)
    console.print(f"Next: twig run --campaign {name}", markup=False, soft_wrap=True)


def _review_campaign(
    name: str, root: Path, image: str | None, who: str, why: str, decision: "Decision", as_json: bool
) -> None:
    from twig_assets.campaign import load_campaign
    from twig_assets.campaign.rules_in_force import rules_in_force
    from twig_assets.catalog.database import open_catalog
    from twig_assets.compliance import decide, waiting

    settings = load_campaign(name, root)
    with open_catalog(catalog_url()).session() as session:
        _, rules = rules_in_force(session, settings)
        if image is not None:
            decide(session, name, rules, image, decision, who, why)
        entries = waiting(session, name, rules)
        if as_json:
            sys.stdout.write(json.dumps([_as_json(entry) for entry in entries], indent=2, ensure_ascii=False) + "\n")
            return
        if not entries:
            console.print("Nothing waits for a person, and nothing is withheld.")
            return
        table = Table("image", "prompt", "similarity", "as asked?", "state", "why", "decided")
        for entry in entries:
            made = entry.decided.review
            decided = f"{made.decision}: {entry.decided.who}, {made.why}" if made else ""
            shows = (entry.adherence or "not judged").replace("_", " ")
            cells = (entry.prompt, entry.verdict or "not audited", shows, entry.state, entry.why, decided)
            table.add_row(entry.image_sha256[:12], *map(escape, cells))
        console.print(table)
    undecided = [entry for entry in entries if entry.decided.decision is None and entry.next_step]
    for step in dict.fromkeys(entry.next_step.replace(entry.image_sha256[:12], "IMAGE") for entry in undecided):
        console.print(f"Next: {step}", soft_wrap=True, markup=False, highlight=False)


def _review_history(name: str, root: Path, as_json: bool) -> None:
    from twig_assets.campaign import load_campaign
    from twig_assets.campaign.rules_in_force import rules_of
    from twig_assets.catalog.database import open_catalog
    from twig_assets.compliance.events import campaign_events

    settings = load_campaign(name, root)
    with open_catalog(catalog_url()).snapshot() as session:
        events = campaign_events(session, name, rules_of(session, settings))[::-1]
    if as_json:
        lines = [{**asdict(event), "when": event.when.isoformat()} for event in events]
        sys.stdout.write(json.dumps(lines, indent=2, ensure_ascii=False) + "\n")
        return
    table = Table("when", "who", "what", "about", "image", "why", "today")
    for event in events:
        when, image = f"{event.when:%Y-%m-%d %H:%M}", (event.image or "")[:12]
        cells = (when, event.who, event.what, event.about, image, event.why, event.today)
        table.add_row(*map(escape, cells))
    console.print(table if events else "Nobody has decided anything yet.")


def _as_json(entry: "Waiting") -> dict[str, Any]:
    made = entry.decided.review
    decision = {"decision": made.decision, "who": entry.decided.who, "why": made.why} if made else None
    fields = ("image_sha256", "prompt", "verdict", "adherence", "reasons", "why", "next_step", "state")
    return {**{name: getattr(entry, name) for name in fields}, "decision": decision}
