"""Figures reach MLflow once each, now or later, and whoever makes them does not wait."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from alembic.util import CommandError
from mlflow import MlflowClient
from mlflow.store.db import utils

from twig_assets.tracking import Record, Sender, Spool, SpoolError, TrackingError, mlflow_runs, send
from twig_assets.tracking import runs as tracked_runs
from twig_assets.tracking.record import KEY_TAG, RecordedEdit, png


@pytest.fixture(autouse=True)
def _not_resting() -> Iterator[None]:
    send._resting.clear()
    send._sending.clear()
    yield
    send._resting.clear()
    send._sending.clear()


def record(name: str = "masks demo-000", **metrics: float) -> Record:
    picture = np.zeros((4, 4, 3), np.uint8)
    return Record(
        experiment="twig",
        name=name,
        metrics=metrics or {"ok": 1.0},
        params={"strategy": "auto"},
        pictures={"sheet.png": png(picture)},
    )


def sender(uri: str, folder: Path) -> Sender:
    return Sender(uri, str(folder / "pictures"), "http://127.0.0.1:5000", Spool(folder / "waiting"))


@contextmanager
def hanging(scheme: str = "http", drip: bytes = b"") -> Iterator[str]:
    """The URL of a server that accepts connections and never answers, or whose answer drips and never ends."""
    held, over = [], threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            try:
                while True:
                    held.append(server.accept()[0])
            except OSError:
                return

        def answer() -> None:
            while not over.wait(0.1):
                for connection in held if drip else ():
                    connection.sendall(drip)

        threading.Thread(target=accept, daemon=True).start()
        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        yield f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        answering.join()
        server.shutdown(socket.SHUT_RDWR)
    for one in held:
        one.close()


@contextmanager
def dripping() -> Iterator[str]:
    """The URL of an HTTP server whose answers have a byte every tenth of a second and no end."""
    over = threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 - the library's name
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            with suppress(OSError):
                while not over.wait(0.1):
                    self.wfile.write(b" ")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            over.set()
            server.shutdown()


def test_figures_are_kept_where_the_bucket_is_gone_or_another_process_makes_mlflows_tables(
    empty_mlflow_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "k")
    away = Sender(empty_mlflow_url, "s3://nowhere/mlflow", "", Spool(tmp_path / "waiting"))
    assert away.send_or_keep(record()) == ""
    send._resting.clear()

    def made_by_another(*_arguments: object) -> None:
        raise CommandError("Online migration expected to match one row when updating; 0 found")

    monkeypatch.setattr(mlflow_runs, "write_run", made_by_another)
    assert away.send_or_keep(record("masks demo-001")) == ""
    assert len(away.spool.waiting()) == 2


def test_a_server_that_never_answers_is_waited_for_once_and_the_figures_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with hanging() as uri:
        here = sender(uri, tmp_path)
        started = time.monotonic()
        assert [here.send_or_keep(record(f"run {n}")) for n in range(20)] == [""] * 20
        # Twenty waits would take twenty seconds; the machine may be busy.
        assert time.monotonic() - started < 15
    assert [here.spool.read(path).name for path in here.spool.waiting()].count("run 7") == 1
    assert len(here.spool.waiting()) == 20


@pytest.mark.parametrize(
    ("scheme", "drip"),
    [("http", b"HTTP/1.1 200 OK\r\n"), ("postgresql", b"")],
    ids=["an answer that never ends", "a database that never answers"],
)
def test_the_work_waits_no_longer_than_mlflow_may_take_whatever_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, drip: bytes
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with hanging(scheme, drip) as uri:
        here = sender(uri, tmp_path)
        assert [here.send_or_keep(record(f"run {n}")) for n in range(3)] == [""] * 3
        monkeypatch.setattr(send, "_resting", {})
        assert here.send_or_keep(record("run 3")) == ""
        [sending] = send._sending.values()
        assert sending.is_alive()
        # MLflow tries a database again for minutes, and nobody else can open one meanwhile.
        monkeypatch.setattr(utils, "MAX_RETRY_COUNT", 0)
    sending.join(60)
    assert not sending.is_alive()
    assert sorted(here.spool.read(path).name for path in here.spool.waiting()) == [f"run {n}" for n in range(4)]


def test_what_waited_is_sent_with_the_next_record_and_bears_the_time_it_was_made(
    tmp_path: Path, empty_mlflow_url: str
) -> None:
    down = sender("http://127.0.0.1:1", tmp_path)
    kept = record("kept", ssim=0.25)
    assert down.send_or_keep(kept) == ""
    up = sender(empty_mlflow_url, tmp_path)
    assert up.send_or_keep(record("sent")).startswith("http://127.0.0.1:5000/#/experiments/")
    assert up.spool.waiting() == []
    runs = {run.info.run_name: run for run in MlflowClient(empty_mlflow_url).search_runs(["1"])}
    assert set(runs) == {"kept", "sent"}
    assert runs["kept"].info.start_time == kept.made_at
    assert (runs["kept"].data.metrics, runs["kept"].data.params) == ({"ssim": 0.25}, {"strategy": "auto"})
    assert (runs["kept"].info.status, runs["kept"].data.tags[KEY_TAG]) == ("FINISHED", kept.key)
    assert [f.path for f in MlflowClient(empty_mlflow_url).list_artifacts(runs["kept"].info.run_id)] == ["sheet.png"]


def test_a_record_that_was_sent_in_part_becomes_one_run(
    tmp_path: Path, empty_mlflow_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, one = sender(empty_mlflow_url, tmp_path), record(ssim=0.5)

    def broken(*_: object, **__: object) -> None:
        raise ConnectionResetError("the server went away")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_image", broken)
        assert here.send_or_keep(one) == ""
    assert here.send_waiting() == (1, [])
    [run] = MlflowClient(empty_mlflow_url).search_runs(["1"])
    assert len(MlflowClient(empty_mlflow_url).get_metric_history(run.info.run_id, "ssim")) == 1
    assert run.info.status == "FINISHED"


def test_a_file_that_is_no_record_is_named_and_holds_up_no_other(tmp_path: Path, empty_mlflow_url: str) -> None:
    here = sender(empty_mlflow_url, tmp_path)
    here.spool.keep(record())
    (here.spool.folder / "000000000000001-bad.json").write_text('{"experiment": 3}')
    sent, refused = here.send_waiting()
    assert sent == 1
    assert len(refused) == 1
    assert "000000000000001-bad.json: is not a record of figures" in refused[0]
    assert [path.name for path in here.spool.waiting()] == ["000000000000001-bad.json"]


def test_a_record_that_mlflow_refuses_is_named_and_holds_up_no_other(tmp_path: Path, empty_mlflow_url: str) -> None:
    here = sender(empty_mlflow_url, tmp_path)
    bad = Record(experiment="twig", name="bad", metrics={"a name\nof two lines": 1.0})
    assert here.send_or_keep(bad) == ""
    here.spool.keep(record())
    sent, refused = here.send_waiting()
    assert (sent, len(refused)) == (1, 1)
    assert bad.key in refused[0]
    assert "refuses it" in refused[0]


def test_only_one_process_at_a_time_sends_what_waits(tmp_path: Path, empty_mlflow_url: str) -> None:
    here = sender(empty_mlflow_url, tmp_path)
    here.spool.keep(record())
    with Spool(here.spool.folder).claimed() as alone:
        assert alone
        assert here.send_waiting() == (0, [])
    assert here.send_waiting() == (1, [])


def test_figures_that_can_be_neither_sent_nor_kept_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "waiting").write_text("in the way")
    with pytest.raises(SpoolError, match="make room"):
        sender("http://127.0.0.1:1", tmp_path).send_or_keep(record())


def test_a_dead_server_is_named_to_whoever_asks_for_sending(tmp_path: Path) -> None:
    here = sender("http://127.0.0.1:1", tmp_path)
    here.spool.keep(record())
    with pytest.raises(TrackingError, match="127.0.0.1:1 does not answer"):
        here.send_waiting()
    assert len(here.spool.waiting()) == 1


def test_an_edit_becomes_a_version_once_and_the_alias_names_the_newest_that_was_accepted(
    tmp_path: Path, empty_mlflow_url: str
) -> None:
    sending = sender(empty_mlflow_url, tmp_path)
    records = [
        record().model_copy(
            update={
                "edit": RecordedEdit(model="demo.cat", content=content, accepted=accepted),
                "curves": {"loss": (3.0, 2.0)},
            }
        )
        for content, accepted in ((b"first", True), (b"second", False))
    ]
    for one in (*records, Record.model_validate_json(records[0].model_dump_json())):
        sending.send(one, again=True)
    client = MlflowClient(empty_mlflow_url)
    versions = client.search_model_versions("name = 'demo.cat'")
    assert sorted(v.version for v in versions) in ([1, 2], ["1", "2"])
    accepted = client.get_model_version_by_alias("demo.cat", "accepted")
    file = client.download_artifacts(accepted.run_id, "edit.safetensors", str(tmp_path))
    assert Path(file).read_bytes() == b"first"
    assert {point.step: point.value for point in client.get_metric_history(accepted.run_id, "loss")} == {1: 3.0, 2: 2.0}


def test_a_run_opens_on_its_pictures_and_what_they_are(tmp_path: Path, empty_mlflow_url: str) -> None:
    described = record().model_copy(update={"description": "Under each number: an image."})
    url = sender(empty_mlflow_url, tmp_path).send(described)
    run_id = url.rpartition("/")[2]
    note = MlflowClient(empty_mlflow_url).get_run(run_id).data.tags["mlflow.note.content"]
    assert note == f"![](get-artifact?path=sheet.png&run_uuid={run_id})\n\nUnder each number: an image."


def test_a_server_whose_answer_never_ends_is_given_up_and_all_that_waits_goes_on_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with dripping() as uri:
        here = sender(uri, tmp_path)
        for number in range(3):
            here.spool.keep(record(f"run {number}"))
        sent, troubles = here.flush()
        assert (sent, len(troubles), len(here.spool.waiting())) == (0, 1, 3)
        assert "is too slow, or does not end its answer" in troubles[0]
        # The same process does not ask it a second time while it still drips.
        assert "has not answered what it was sent before" in here.flush()[1][0]
        monkeypatch.setattr(tracked_runs, "READ_SECONDS", 1)
        with pytest.raises(TrackingError, match="no whole answer within 1 s"):
            tracked_runs.runs_of(uri, "", ["a run"])


def test_sending_stops_when_its_time_is_over_and_nothing_is_lost(tmp_path: Path, empty_mlflow_url: str) -> None:
    here = sender(empty_mlflow_url, tmp_path)
    for number in range(2):
        here.spool.keep(record(f"run {number}"))
    sent, troubles = here.flush(within=1e-9)
    assert (sent, len(troubles)) == (0, 1)
    send._sending[empty_mlflow_url].join()
    assert here.flush() == (0, [])
    assert sorted(run.info.run_name or "" for run in MlflowClient(empty_mlflow_url).search_runs(["1"])) == [
        "run 0",
        "run 1",
    ]


def test_who_sends_all_that_waits_is_told_of_each_that_is_refused_and_of_a_dead_server(
    tmp_path: Path, empty_mlflow_url: str
) -> None:
    here = sender(empty_mlflow_url, tmp_path)
    here.spool.keep(record())
    (here.spool.folder / "000000000000001-bad.json").write_text('{"experiment": 3}')
    sent, [reason] = here.flush()
    assert (sent, "is not a record of figures" in reason) == (1, True)
    dead = sender("http://127.0.0.1:1", tmp_path)
    dead.spool.keep(record())
    assert "127.0.0.1:1 does not answer" in dead.flush()[1][-1]
