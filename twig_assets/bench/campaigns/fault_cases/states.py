"""Faults of the state folder and of a campaign's files: gone, in the way, read-only, half-written, of other versions.

Each is mended, and the same command run again.
"""

import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from twig_assets.bench.campaigns.end_state import end_state
from twig_assets.bench.campaigns.fault_cases.case import NotInjectedError, named, run_again, tick
from twig_assets.bench.campaigns.processes import run_in_this_process
from twig_assets.bench.campaigns.undisturbed import POLICY, UndisturbedRuns
from twig_assets.bench.campaigns.workspace import Workspace, with_environment
from twig_assets.catalog.database import VERSION_TABLE, open_catalog, upgrade
from twig_assets.sensors import missing_work, reference_changes, ssim_violations
from twig_assets.settings.home import catalog_url


def read_only_state(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The state folder is read-only while a policy becomes strict."""
    undisturbed.finished.copy_to(workspace)
    with _read_only(workspace.home):
        error = run_in_this_process_or_why(workspace)
    if not error:
        raise NotInjectedError("the run wrote nothing")
    return run_again(workspace, undisturbed.state)


def read_only_campaign(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The campaign's folder is read-only, as on a share that others keep."""
    undisturbed.finished.copy_to(workspace)
    with _read_only(workspace.root):
        return run_again(workspace, undisturbed.state)


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """A folder that nobody can write to, for as long as the `with` block lasts; only root can have one."""
    try:
        subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotInjectedError(f"a folder cannot be mounted read-only, which needs root: {error}") from error
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def run_in_this_process_or_why(workspace: Workspace) -> str:
    """The error of a run, also of one that could not even begin."""
    try:
        return run_in_this_process(workspace)
    except Exception as error:  # whatever it is, the run did not succeed
        return f"{type(error).__name__}: {error}"


def reports_in_the_way(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A file lies where the folder of reports should be."""
    return _in_the_way(undisturbed, workspace, "reports")


def artifacts_in_the_way(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A file lies where the folder of artifacts should be."""
    return _in_the_way(undisturbed, workspace, "artifacts")


def _in_the_way(undisturbed: UndisturbedRuns, workspace: Workspace, name: str) -> list[str]:
    undisturbed.finished.copy_to(workspace)
    kept = workspace.home / f"{name}-kept"
    (workspace.home / name).rename(kept)
    (workspace.home / name).write_text("in the way")
    error = run_in_this_process_or_why(workspace)
    (workspace.home / name).unlink()
    kept.rename(workspace.home / name)
    problems = [] if error else ["the run did not say that something is in the way"]
    return [*problems, *run_again(workspace, undisturbed.state)]


def claims_deleted(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The folder of claims is deleted between two runs."""
    undisturbed.finished.copy_to(workspace)
    shutil.rmtree(workspace.home / "catalog.db-claims")
    return run_again(workspace, undisturbed.state)


def dagster_forgotten(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """Dagster's runs and events are deleted."""
    undisturbed.finished.copy_to(workspace)
    shutil.rmtree(workspace.home / "dagster")
    return run_again(workspace, undisturbed.state)


def speeds_torn(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The file of how long images took is half-written."""
    undisturbed.finished.copy_to(workspace)
    (workspace.home / "seconds-per-image.json").write_text('{"abc": 1.')
    return run_again(workspace, undisturbed.state)


def heads_away(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The place where the ledger's heads are kept besides cannot be written to."""
    undisturbed.finished.copy_to(workspace)
    blocked = workspace.folder / "blocked"
    blocked.write_text("a file")
    with with_environment(TWIG_LEDGER_HEADS=str(blocked / "heads")):
        return run_again(workspace, undisturbed.state)


def older_schema(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The catalog is of an older version."""
    return _other_schema(undisturbed, workspace, "0012", "twig db upgrade")


def newer_schema(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The catalog is of a newer version."""
    return _other_schema(undisturbed, workspace, "9999", "newer twig-assets")


def _other_schema(undisturbed: UndisturbedRuns, workspace: Workspace, revision: str, advice: str) -> list[str]:
    """Write another version into the catalog: every sensor and every run has to refuse it, with the advice."""
    undisturbed.finished.copy_to(workspace)
    with workspace.in_environment():
        before = _stamp(revision)
    error = run_in_this_process_or_why(workspace)
    problems = [] if advice in error else [f"the run said {error!r}"]
    with workspace.in_environment():
        _stamp(before, check=False)
        upgrade(catalog_url())
    return [*problems, *run_again(workspace, undisturbed.state)]


def _stamp(revision: str, check: bool = True) -> str:
    """Write a revision into the catalog that TWIG_HOME names; returns the one that was there."""
    with sqlite3.connect(catalog_url().removeprefix("sqlite:///")) as connection:
        [before] = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = ?", (revision,))
    connection.close()
    return str(before)


def catalog_never_answers(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The catalog's server accepts connections and never answers."""
    undisturbed.finished.copy_to(workspace)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        url = f"postgresql+psycopg://twig:hidden-word@127.0.0.1:{server.getsockname()[1]}/twig"
        with with_environment(TWIG_CATALOG_URL=url):
            error = run_in_this_process_or_why(workspace)
    problems = [] if error else ["the run did not say that there is no catalog"]
    problems += ["the error has the password"] if "hidden-word" in error else []
    return [*problems, *run_again(workspace, undisturbed.state)]


def catalog_no_database(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The catalog's file was written over by a text."""
    undisturbed.finished.copy_to(workspace)
    file, kept = workspace.home / "catalog.db", workspace.folder / "kept.db"
    with workspace.in_environment():
        catalog = open_catalog(catalog_url())
        with catalog.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        catalog.close()
    shutil.copy(file, kept)
    file.write_text("no database " * 100)
    error = run_in_this_process_or_why(workspace)
    for side in workspace.home.glob("catalog.db-*"):
        if side.is_file():
            side.unlink()
    shutil.copy(kept, file)
    problems = [] if "catalog.db" in error else [f"the run said {error!r}"]
    return [*problems, *run_again(workspace, undisturbed.state)]


def campaign_file_gone(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """`campaign.yaml` is deleted and put back."""
    return _file_broken(undisturbed, workspace, "campaign.yaml", None)


def policy_bomb(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """`policy.yaml` expands to a thousand million entries."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [f"{n}: &{n} [{','.join([f'*{b}'] * 9)}]" for b, n in zip("abcdefgh", "bcdefghi", strict=True)]
    return _file_broken(undisturbed, workspace, "policy.yaml", "\n".join(lines).encode())


def policy_nan(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """`policy.yaml` has a threshold that is no number."""
    return _file_broken(undisturbed, workspace, "policy.yaml", b"ssim_threshold: .nan\n")


def concepts_torn(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """`concepts.yaml` is half-written."""
    return _file_broken(undisturbed, workspace, "concepts.yaml", b"- {name: pouting-cat, target: ")


def prompts_binary(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """`prompts.yaml` was written over by a picture."""
    return _file_broken(undisturbed, workspace, "prompts.yaml", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))


def _file_broken(undisturbed: UndisturbedRuns, workspace: Workspace, name: str, content: bytes | None) -> list[str]:
    """Break a file of the campaign's: no tick may raise, a run has to stop, and all is well when it is put back."""
    undisturbed.finished.copy_to(workspace)
    file = workspace.campaign / name
    before = file.read_bytes()
    file.unlink() if content is None else file.write_bytes(content)
    with workspace.entered() as location:
        for sensor in (missing_work, ssim_violations, reference_changes):
            tick(location, sensor)
    error = run_in_this_process_or_why(workspace)
    file.write_bytes(before)
    problems = [] if error else [f"the run did not mind {name}"]
    return [*problems, *run_again(workspace, undisturbed.state)]


def second_campaign_broken(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """Another campaign beside it cannot be read, and comes first."""
    undisturbed.finished.copy_to(workspace)
    other = Workspace(workspace.folder, "aaa")
    other.write("campaign.yaml", {"title": ["no", "text"]})
    workspace.write("policy.yaml", {**POLICY, "ssim_threshold": 0.000001, "masked_ssim_threshold": 0.000001})
    with with_environment(TWIG_CAMPAIGN=""), workspace.entered() as location:
        asked = [request.partition_key for request in tick(location, ssim_violations).run_requests or ()]
    problems = [] if asked else ["the sensor asked for no run of the campaign that can be read"]
    shutil.rmtree(other.campaign)
    return [*problems, *run_again(workspace, undisturbed.strict)]


def work_torn(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A protected work is half-copied when the campaign runs, and whole when it runs again."""
    undisturbed.fresh.copy_to(workspace)
    work = next(file for file in sorted((workspace.campaign / "references").iterdir()) if file.name != "drawn.png")
    content = work.read_bytes()
    work.write_bytes(content[: len(content) // 2])
    run_in_this_process(workspace)
    with workspace.in_environment():
        catalog = open_catalog(catalog_url())
        with catalog.engine.connect() as connection:
            released = connection.execute(text("SELECT count(*) FROM release WHERE withdrawn_at IS NULL")).scalar()
        catalog.close()
    work.write_bytes(content)
    problems = [f"{released} images were released although a work could not be compared"] if released else []
    error = run_in_this_process(workspace)
    problems += [f"the same command failed: {error}"] if error else []
    with workspace.entered():
        now = end_state()
    same = now["released"] == undisturbed.state["released"]
    return [*problems, *([] if same else [f"released: {now['released']} instead of {undisturbed.state['released']}"])]


def leftovers(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """Files of writers that were killed lie about everywhere."""
    undisturbed.finished.copy_to(workspace)
    for folder in [path for path in workspace.home.rglob("*") if path.is_dir() and "dagster" not in path.parts][:50]:
        (folder / ".report.html.0123456789abcdef.partial").write_bytes(b"half")
    return run_again(workspace, undisturbed.state)


STATE_FAULTS = named(
    read_only_state,
    read_only_campaign,
    reports_in_the_way,
    artifacts_in_the_way,
    claims_deleted,
    dagster_forgotten,
    speeds_torn,
    heads_away,
    older_schema,
    newer_schema,
    catalog_never_answers,
    catalog_no_database,
    campaign_file_gone,
    policy_bomb,
    policy_nan,
    concepts_torn,
    prompts_binary,
    second_campaign_broken,
    work_torn,
    leftovers,
)
"""Faults of the state folder and of the campaign's files."""
