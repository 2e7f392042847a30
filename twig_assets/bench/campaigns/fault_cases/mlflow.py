"""Faults of MLflow: the work goes on, and MLflow receives the figures later, each of them once."""

import os
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mlflow import MlflowClient

from twig_assets.bench.campaigns.fault_cases.case import NotInjectedError, named, problems_left, run_again
from twig_assets.bench.campaigns.fault_cases.databases import until_drawn
from twig_assets.bench.campaigns.processes import run_in_this_process, start, twig_run
from twig_assets.bench.campaigns.undisturbed import UndisturbedRuns
from twig_assets.bench.campaigns.workspace import Workspace, with_environment
from twig_assets.tracking import Sender, Spool, send


def mlflow_down(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """Nothing listens where MLflow should be; its figures are sent later."""
    return _without_mlflow(undisturbed, workspace, "http://127.0.0.1:1")


def mlflow_hangs(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """MLflow accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        return _without_mlflow(undisturbed, workspace, f"http://127.0.0.1:{server.getsockname()[1]}")


def mlflow_drips(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """MLflow begins to answer and never ends."""
    with _dripping() as address:
        return _without_mlflow(undisturbed, workspace, address)


@contextmanager
def _dripping() -> Iterator[str]:
    """The address of a server that answers every connection with a header after another, without an end."""
    over = threading.Event()
    held: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                held.append(server.accept()[0])

    def drip() -> None:
        while not over.wait(0.2):
            for connection in list(held):
                with suppress(OSError):
                    connection.sendall(b"HTTP/1.1 200 OK\r\n" if connection not in begun else b"X-Wait: more\r\n")
                    begun.append(connection)

    begun: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        threads = [threading.Thread(target=work, daemon=True) for work in (accept, drip)]
        for thread in threads:
            thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        server.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()


def mlflow_database_dead(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """MLflow's database accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        port = server.getsockname()[1]
        return _without_mlflow(undisturbed, workspace, f"postgresql+psycopg://mlflow@127.0.0.1:{port}/mlflow")


def kept_record_torn(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A record that waits for MLflow is half-written."""
    undisturbed.fresh.copy_to(workspace)
    spool = workspace.home / "mlflow-waiting"
    spool.mkdir()
    torn = spool / "000000000000001-torn.json"
    torn.write_text('{"experiment": "x", "name"')
    problems = run_again(workspace, undisturbed.state)
    return [*problems, *([] if torn.exists() else ["the torn record is gone, and nobody was told"])]


def nowhere_to_keep(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """MLflow is away, and its figures cannot be kept either: the run stops and says so."""
    undisturbed.fresh.copy_to(workspace)
    spool = workspace.home / "mlflow-waiting"
    spool.write_text("in the way")
    with with_environment(MLFLOW_TRACKING_URI="http://127.0.0.1:1"):
        error = run_in_this_process(workspace)
    spool.unlink()
    problems = [] if "make room" in error else [f"the run said {error!r}"]
    return [*problems, *run_again(workspace, undisturbed.state)]


def _without_mlflow(undisturbed: UndisturbedRuns, workspace: Workspace, uri: str) -> list[str]:
    undisturbed.fresh.copy_to(workspace)
    with with_environment(MLFLOW_TRACKING_URI=uri):
        problems = run_again(workspace, undisturbed.state)
    database, spool = f"sqlite:///{workspace.home / 'mlflow.db'}", Spool(workspace.home / "mlflow-waiting")
    expected = _mlflow_runs(f"sqlite:///{undisturbed.finished.home / 'mlflow.db'}")
    if len(spool.waiting()) != len(expected):
        return [*problems, f"{len(spool.waiting())} records were kept instead of {len(expected)}"]
    send._resting.clear()
    send._sending.clear()
    Sender(database, str(workspace.home / "mlflow-artifacts"), "", spool).send_waiting()
    recorded = _mlflow_runs(database)
    return [*problems, *([] if recorded == expected else [f"MLflow got {recorded} later, instead of {expected}"])]


def mlflow_restarted(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """MLflow's server is killed in the middle of a run, and started again before the next."""
    undisturbed.fresh.copy_to(workspace)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with with_environment(MLFLOW_TRACKING_URI=address):
        with _mlflow_server(workspace, address):
            running = start(workspace, *twig_run(workspace))
            until_drawn(f"sqlite:///{workspace.home / 'catalog.db'}", running)
        codes = [running.wait()]
        if not (kept := len(Spool(workspace.home / "mlflow-waiting").waiting())):
            raise NotInjectedError("the run had sent everything before its server was killed")
        with _mlflow_server(workspace, address):
            codes.append(start(workspace, *twig_run(workspace)).wait())
        problems = problems_left(workspace, undisturbed.state)
    expected = _mlflow_runs(f"sqlite:///{undisturbed.finished.home / 'mlflow.db'}")
    recorded = _mlflow_runs(f"sqlite:///{workspace.home / 'mlflow.db'}")
    problems += [] if codes == [0, 0] else [f"the runs ended with status {codes}"]
    return [
        *problems,
        *([] if recorded == expected else [f"{kept} were kept; MLflow has {recorded}, instead of {expected}"]),
    ]


@contextmanager
def _mlflow_server(workspace: Workspace, address: str) -> Iterator[None]:
    """MLflow's server in its own processes, on the workspace's database; killed when the `with` block ends."""
    server = start(
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
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return sorted(f"{run.info.run_name}: {sorted(run.data.metrics)}" for run in client.search_runs(experiments))


MLFLOW_FAULTS = named(
    mlflow_down, mlflow_hangs, mlflow_drips, mlflow_database_dead, kept_record_torn, nowhere_to_keep, mlflow_restarted
)
