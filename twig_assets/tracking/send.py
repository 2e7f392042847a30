"""Sending records to MLflow without ever making the work wait for it for long."""

import math
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from twig_assets.settings.secrets import hidden
from twig_assets.tracking.patience import patience
from twig_assets.tracking.record import Record
from twig_assets.tracking.spool import Spool, SpoolError

# MLflow's defaults are two minutes and seven retries, during which a run would stand still. What fails is sent later.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
# MLflow tries a database ten times, and the driver of PostgreSQL waits two minutes each time, while nothing else of
# MLflow can be opened in the process.
os.environ.setdefault("PGCONNECT_TIMEOUT", "5")

REST_SECONDS = 60
"""How long nothing is sent after a failure, or after a record that took longer than SLOW_SECONDS."""

SLOW_SECONDS = 10

TABLES_SECONDS = 60
"""How long MLflow may take for the tables of a new database, during which it takes no record."""

# Tracking URI -> when to try again, and what is being sent. Dagster makes new resources for every run, so they cannot
# hold it.
_resting: dict[str, float] = {}
_sending: dict[str, threading.Thread] = {}


class TrackingError(RuntimeError):
    """MLflow's records can be neither read nor written; the message names the server or database."""


class RefusedError(TrackingError):
    """MLflow answers, and does not take a record."""


@dataclass
class Sender:
    """Sends to one MLflow server or database.

    Attributes:
        uri: Of the server or database.
        artifacts: Folder or URL for pictures when `uri` is a database; a server keeps its own.
        ui_url: Where people open MLflow, for links.
        spool: Where records wait that could not be sent.
    """

    uri: str = field(repr=False)
    artifacts: str
    ui_url: str
    spool: Spool
    _client: Any = None

    def send_or_keep(self, record: Record) -> str:
        """Send a record, and before it those that wait; keep it if that does not work.

        A server or a database elsewhere is waited for at most MLFLOW_HTTP_REQUEST_TIMEOUT seconds, however it fails:
        a connection that is never accepted, an answer that never ends. What it has by then begun to take goes on beside
        the work; the record is kept all the same, and finds its run by its tag when it is sent again.

        Returns:
            The URL of the MLflow run; empty when the record was kept.

        Raises:
            SpoolError: When it can be neither sent nor kept.
        """
        if time.monotonic() < _resting.get(self.uri, 0) or self._is_sending():
            self.spool.keep(record)
            return ""
        url = self._attempt(record) if self.uri.startswith("sqlite:") else self._attempt_beside(record)
        if not url:
            self.spool.keep(record)
        return url

    def _attempt(self, record: Record) -> str:
        try:
            if self.spool.waiting():
                self.send_waiting()
            return self.send(record)
        except TrackingError:
            return ""

    def _attempt_beside(self, record: Record) -> str:
        """Like `_attempt`, in a thread that is waited for as long as MLflow may take, and no longer."""
        import twig_assets.tracking.mlflow_runs  # noqa: F401 - loading it takes seconds that are not MLflow's

        urls: list[str] = []
        thread = threading.Thread(target=lambda: urls.append(self._attempt(record)), name="mlflow", daemon=True)
        _sending[self.uri] = thread
        thread.start()
        thread.join(patience())
        if thread.is_alive():
            _resting[self.uri] = time.monotonic() + REST_SECONDS
            return ""
        return next(iter(urls), "")

    def _is_sending(self) -> bool:
        """Whether a record that was given up is still on its way."""
        thread = _sending.get(self.uri)
        return thread is not None and thread.is_alive()

    def send_waiting(self) -> tuple[int, list[str]]:
        """Send what waits, the oldest first; another process that does so already is left to it.

        Returns:
            How many records were sent, and for each that is refused, why; these stay where they are.

        Raises:
            TrackingError: When MLflow does not answer; what was sent until then is sent.
        """
        outcomes = list(self._outcomes())
        return outcomes.count(""), [reason for reason in outcomes if reason]

    def _outcomes(self) -> Iterator[str]:
        """Send what waits, and yield for each record why it is refused; an empty text if it was sent."""
        with self.spool.claimed() as alone:
            for path in self.spool.waiting() if alone else []:
                try:
                    self.send(self.spool.read(path), again=True)
                except (SpoolError, RefusedError) as error:
                    yield f"{path.name}: {error}"
                    continue
                path.unlink(missing_ok=True)
                yield ""

    def flush(self, within: float = math.inf) -> tuple[int, list[str]]:
        """Send what waits for as long as MLflow takes one record after another, each within its patience.

        Args:
            within: Seconds for all of them, greater than 0; what is left then goes on waiting.

        Returns:
            How many records were sent, and why others were not.
        """
        if self._is_sending():
            return 0, [hidden(f"MLflow at {self.uri} has not answered what it was sent before")]
        import twig_assets.tracking.mlflow_runs  # noqa: F401 - loading it takes seconds that are not MLflow's
        from twig_assets.tracking.failures import failures

        failures()  # so does what this loads
        outcomes: SimpleQueue[str | None] = SimpleQueue()
        thread = threading.Thread(target=self._flush_into, args=(outcomes,), name="mlflow", daemon=True)
        _sending[self.uri] = thread
        thread.start()
        troubles: list[str] = []
        sent, deadline = 0, time.monotonic() + within
        try:
            while True:
                left = max(0.0, deadline - time.monotonic())
                outcome = outcomes.get(timeout=min(self._longest(), left))
                if outcome is None:
                    return sent, troubles
                sent += not outcome
                troubles += [outcome] if outcome else []
        except Empty:
            _resting[self.uri] = time.monotonic() + REST_SECONDS
            return sent, [*troubles, hidden(f"MLflow at {self.uri} is too slow, or does not end its answer")]

    def _flush_into(self, outcomes: "SimpleQueue[str | None]") -> None:
        """Put the outcome of each record that waits into a queue, and None in the end."""
        try:
            for outcome in self._outcomes():
                outcomes.put(outcome)
        except TrackingError as error:
            outcomes.put(str(error))
        finally:
            outcomes.put(None)

    def _longest(self) -> float:
        """Seconds that MLflow may take for a record; a database that is a file is always waited for."""
        if self.uri.startswith("sqlite:"):
            return threading.TIMEOUT_MAX
        return patience() if self.uri.startswith("http") else max(patience(), TABLES_SECONDS)

    def send(self, record: Record, again: bool = False) -> str:
        """Send a record.

        Args:
            record: What to send.
            again: Whether it may have been sent before, perhaps in part; it makes one MLflow run all the same.

        Returns:
            The URL of the MLflow run.

        Raises:
            RefusedError: When MLflow answers that it does not take this record.
            TrackingError: When it does not answer.
        """
        from mlflow import MlflowClient

        from twig_assets.tracking.failures import failures
        from twig_assets.tracking.mlflow_runs import is_refusal, write_run

        place = self.artifacts if "://" in self.artifacts else Path(self.artifacts).absolute().as_uri()
        artifacts = None if self.uri.startswith("http") else place
        started = time.monotonic()
        try:
            self._client = self._client or MlflowClient(self.uri)
            experiment, run_id = write_run(self._client, record, artifacts, again)
        except failures() as error:
            if is_refusal(error):
                raise RefusedError(hidden(f"MLflow at {self.uri} refuses it: {error}")) from error
            _resting[self.uri] = time.monotonic() + REST_SECONDS
            raise TrackingError(hidden(f"MLflow at {self.uri} does not answer: {error}")) from error
        if time.monotonic() - started > SLOW_SECONDS:
            _resting[self.uri] = time.monotonic() + REST_SECONDS
        return f"{self.ui_url}/#/experiments/{experiment}/runs/{run_id}"
