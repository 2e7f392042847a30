"""Faults of MLflow: the work goes on, and the figures get there later, each once."""

import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient

from twig_assets.bench.campaigns.campaign_at_rest import Rest, copied, named, process, run_again, settled, twig_run
from twig_assets.bench.campaigns.fault_cases import until_drawn
from twig_assets.bench.campaigns.workspace import NotInjectedError, Workspace, with_environment
from twig_assets.tracking import Sender, Spool, send


def mlflow_down(undisturbed: Rest, workspace: Workspace) -> list[str]:
    """Nothing listens where MLflow should be; its figures are sent later."""
    return _without_mlflow(undisturbed, workspace, "http://127.0.0.1:1")


def mlflow_hangs(undisturbed: Rest, workspace: Workspace) -> list[str]:
    """MLflow accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        return _without_mlflow(undisturbed, workspace, f"http://127.0.0.1:{server.getsockname()[1]}")


def _without_mlflow(undisturbed: Rest, workspace: Workspace, uri: str) -> list[str]:
    copied(undisturbed.fresh, workspace)
    with with_environment(MLFLOW_TRACKING_URI=uri):
        problems = run_again(workspace, undisturbed.state)
    database, spool = f"sqlite:///{workspace.home / 'mlflow.db'}", Spool(workspace.home / "mlflow-waiting")
    wanted = _mlflow_runs(f"sqlite:///{undisturbed.finished.home / 'mlflow.db'}")
    if len(spool.waiting()) != len(wanted):
        return [*problems, f"{len(spool.waiting())} records were kept instead of {len(wanted)}"]
    send._resting.clear()
    Sender(database, str(workspace.home / "mlflow-artifacts"), "", spool).send_waiting()
    found = _mlflow_runs(database)
    return [*problems, *([] if found == wanted else [f"MLflow got {found} later, instead of {wanted}"])]


def mlflow_restarted(undisturbed: Rest, workspace: Workspace) -> list[str]:
    """MLflow's server is killed in the middle of a run, and started again before the next."""
    copied(undisturbed.fresh, workspace)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with with_environment(MLFLOW_TRACKING_URI=address):
        with _mlflow_server(workspace, address):
            running = process(workspace, *twig_run(workspace))
            until_drawn(f"sqlite:///{workspace.home / 'catalog.db'}", running)
        codes = [running.wait()]
        if not (kept := len(Spool(workspace.home / "mlflow-waiting").waiting())):
            raise NotInjectedError("the run had sent everything before its server was killed")
        with _mlflow_server(workspace, address):
            codes.append(process(workspace, *twig_run(workspace)).wait())
        problems = settled(workspace, undisturbed.state)
    wanted = _mlflow_runs(f"sqlite:///{undisturbed.finished.home / 'mlflow.db'}")
    found = _mlflow_runs(f"sqlite:///{workspace.home / 'mlflow.db'}")
    problems += [] if codes == [0, 0] else [f"the runs ended with status {codes}"]
    return [*problems, *([] if found == wanted else [f"{kept} were kept; MLflow has {found}, instead of {wanted}"])]


@contextmanager
def _mlflow_server(workspace: Workspace, address: str) -> Iterator[None]:
    """MLflow's server in its own processes, on the workspace's database; killed when the `with` block ends."""
    server = process(
        workspace,
        "mlflow",
        "server",
        "--port",
        address.rpartition(":")[2],
        "--workers",
        "1",
        "--backend-store-uri",
        f"sqlite:///{workspace.home / 'mlflow.db'}",
        "--artifacts-destination",
        str(workspace.home / "mlflow-artifacts"),
    )
    try:
        while not _answers(f"{address}/health"):
            if server.poll() is not None:
                raise NotInjectedError(f"MLflow's server ended with status {server.returncode}")
            time.sleep(0.2)
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def _mlflow_runs(uri: str) -> list[str]:
    client = MlflowClient(uri)
    experiments = [one.experiment_id for one in client.search_experiments()]
    return sorted(f"{run.info.run_name}: {sorted(run.data.metrics)}" for run in client.search_runs(experiments))


MLFLOW_FAULTS = named(mlflow_down, mlflow_hangs, mlflow_restarted)
