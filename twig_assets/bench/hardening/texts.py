"""What a prompt, a title or a holder tries: to fetch a picture, and so ask a server, once a page is opened."""

import csv
import io
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from twig_assets.bench.campaigns.workspace import Workspace, materialize
from twig_assets.bench.hardening.attack import Attack, Target
from twig_assets.escaping import plain_markdown
from twig_assets.export.guide import Caption
from twig_assets.export.manifest import as_csv

_MARK = "twigmark"
_PATIENCE_MS = 60_000


@dataclass(frozen=True)
class _Shown:
    """What a real asset made of a hostile text, as Dagster keeps it."""

    metadata: dict[str, dg.MetadataValue]
    description: str | None = None


def attacks() -> Iterator[Attack]:
    """All of them."""
    made: dict[str, Callable[[str], _Shown]] = {
        "a prompt": _prompt,
        "a work's title": lambda text: _work(title=text),
        "a work's holder": lambda text: _work(holder=text),
        "a protected concept": _concept,
        "the title of a work that is gone, in a check's description": _lost_work,
    }
    for name, shown in made.items():
        yield Attack(f"{name} fetches a picture", "text, in Dagster", _fetches(shown))
    yield Attack("a prompt in the notes of a run fetches a picture", "text, in MLflow", _noted(_picture))
    yield Attack("HTML in the notes of a run fetches a picture", "text, in MLflow", _noted(_html))
    for start in ("=", "+", "-", "@"):
        yield Attack(
            f"a caption that begins with {start} is a formula in a spreadsheet", "text, in CSV", _formula(start)
        )


def _picture(canary: str) -> str:
    return f"{_MARK} ![x]({canary})"


def _html(canary: str) -> str:
    return f"{_MARK} <img src='{canary}'>"


def _fetches(shown: Callable[[str], _Shown]) -> Callable[[Target], bool]:
    def harms(target: Target) -> bool:
        canary = target.evil.canary()
        text = _picture(canary)
        made = _made(shown, text) if target.guarded else _Shown({"shown": dg.MetadataValue.md(text)}, text)
        key = dg.AssetKey(f"shown-{canary.rpartition('-')[2][:12]}")
        event = dg.AssetObservation(key, description=made.description, metadata=made.metadata)
        target.instance.report_runless_asset_event(event)
        return _opened(target, f"{target.dagster}/assets/{key.path[0]}?view=events", canary, "[Show Markdown]")

    return harms


def _made(shown: Callable[[str], _Shown], text: str) -> _Shown:
    # In a thread of its own: the one that drives the browser has an event loop, and Dagster runs another.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(shown, text).result()


def _noted(written: Callable[[str], str]) -> Callable[[Target], bool]:
    def harms(target: Target) -> bool:
        from mlflow import MlflowClient

        canary = target.evil.canary()
        text = written(canary)
        client = MlflowClient(f"sqlite:///{target.home / 'mlflow.db'}")
        note = f"1. {plain_markdown(text) if target.guarded else text}"
        run = client.create_run("0", tags={"mlflow.note.content": note})
        client.set_terminated(run.info.run_id)
        return _opened(target, f"{target.mlflow}/#/experiments/0/runs/{run.info.run_id}", canary)

    return harms


def _formula(start: str) -> Callable[[Target], bool]:
    text = f"{start}HYPERLINK(1)"

    def harms(target: Target) -> bool:
        if target.guarded:
            table = as_csv([Caption(file="a.png", caption=text, alt_text=text)], ["file", "caption"])
        else:
            plain = io.StringIO()
            csv.writer(plain).writerows([("file", "caption"), ("a.png", text)])
            table = plain.getvalue()
        cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
        return any(cell.startswith(start) for cell in cells)

    return harms


def _opened(target: Target, address: str, canary: str, button: str | None = None) -> bool:
    """Whether a page that shows a text fetches what the text names.

    Raises:
        AssertionError: If the page does not show the text, so that nothing was tried.
    """
    context = target.browser.new_context(viewport={"width": 1280, "height": 1600})
    try:
        page = context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(address)
        # Dagster shows short Markdown at once, and long Markdown behind a button.
        text = page.get_by_text(_MARK)
        hint = page.get_by_text(button or _MARK)
        text.or_(hint).first.wait_for()
        if not text.count():
            hint.first.dispatch_event("click")
        text.first.wait_for()
        page.wait_for_timeout(1500)
        return target.evil.was_asked(canary)
    finally:
        context.close()


def _prompt(text: str) -> _Shown:
    with tempfile.TemporaryDirectory() as folder:
        workspace = _workspace(Path(folder))
        workspace.write("prompts.yaml", [text])
        return _of(workspace, "prompts", f"{workspace.name}-000")


def _concept(text: str) -> _Shown:
    with tempfile.TemporaryDirectory() as folder:
        workspace = _workspace(Path(folder))
        concept = {"name": "cat", "kind": "object", "target": text, "anchor": "a dog"}
        workspace.write("concepts.yaml", [concept])
        return _of(workspace, "protected_concepts", workspace.name)


def _work(title: str = "a title", holder: str = "a holder") -> _Shown:
    with tempfile.TemporaryDirectory() as folder:
        workspace = _workspace(Path(folder))
        _state(workspace, title, holder)
        return _of(workspace, "reference_corpus", workspace.name)


def _lost_work(text: str) -> _Shown:
    with tempfile.TemporaryDirectory() as folder:
        workspace = _workspace(Path(folder), works=2)
        first = _state(workspace, text, "a holder")
        with workspace.entered() as location:
            materialize(location, ["reference_corpus"], workspace.name)
            first.unlink()
            (workspace.campaign / "references" / "references.csv").unlink()
            result = materialize(location, ["reference_corpus"], workspace.name)
        checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
        shown = checks["corpus_not_shrunk"].description or ""
        return _Shown({"shown": dg.MetadataValue.md(shown)}, description=shown)


def _state(workspace: Workspace, title: str, holder: str) -> Path:
    folder = workspace.campaign / "references"
    work = min(folder.glob("*.png"))
    with (folder / "references.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [("file", "title", "rights_holder", "licence"), (work.name, title, holder, "none")]
        csv.writer(file).writerows(rows)
    return work


def _workspace(folder: Path, works: int = 1) -> Workspace:
    workspace = Workspace(folder)
    workspace.write("campaign.yaml", {"title": "Attacked"})
    workspace.write("policy.yaml", {})
    workspace.write("prompts.yaml", ["a red cat"])
    workspace.write("concepts.yaml", [])
    workspace.protect(works)
    return workspace


def _of(workspace: Workspace, asset: str, partition: str) -> _Shown:
    """What an asset hands to Dagster to show: the metadata that it renders."""
    with workspace.entered() as location:
        if asset == "prompts":
            location[0].add_dynamic_partitions("prompt_batches", [partition])
        result = materialize(location, [asset], partition)
    event: Any = next(iter(result.get_asset_materialization_events()))
    metadata = event.materialization.metadata
    return _Shown({name: value for name, value in metadata.items() if isinstance(value, dg.MarkdownMetadataValue)})
