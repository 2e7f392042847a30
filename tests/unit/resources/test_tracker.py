"""What Dagster shows of a run of MLflow, and what the run says of itself."""

from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from twig_assets.resources.tracker import TrackerResource
from twig_assets.tracking import Record, Sender

CAPTIONS = [f"owl *{n}* <b>" for n in range(400)]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """What was sent; the server takes everything."""
    records: list[Record] = []

    def send(sender: Sender, record: Record) -> str:
        records.append(record)
        return f"{sender.ui_url}/#/experiments/7/runs/{'ab' * 16}"

    monkeypatch.setattr(Sender, "send_or_keep", send)
    return records


def materialized(uri: str, folder: Path) -> dg.MetadataValue:
    """The metadata of an asset that has figures and pictures."""
    tracker = TrackerResource(uri=uri, artifacts="", ui_url="http://127.0.0.1:5000", spool=str(folder))

    @dg.asset
    def audits(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        picture = np.zeros((4, 4, 3), np.uint8)
        link = tracker.record(
            context, "twig/x", {"fail": 1.0}, pictures={"a.png": picture}, captions=CAPTIONS, each="an image"
        )
        return dg.MaterializeResult(metadata={"mlflow": link})

    ended = dg.materialize([audits], instance=dg.DagsterInstance.ephemeral())
    [made] = ended.asset_materializations_for_node("audits")
    return made.metadata["mlflow"]


def test_a_link_is_kept_only_where_it_leads_somewhere_next_time_too(sent: list[Record], tmp_path: Path) -> None:
    own = materialized(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    assert own == dg.MetadataValue.text(f"run {'ab' * 16} of the experiment twig/x, in MLflow, which `twig ui` opens")
    assert isinstance(materialized("http://mlflow.example", tmp_path), dg.UrlMetadataValue)


def test_a_run_says_what_its_figures_count_and_what_its_pictures_show(sent: list[Record], tmp_path: Path) -> None:
    materialized("http://mlflow.example", tmp_path)
    [record] = sent
    text = record.description
    assert text.startswith("audits. Every figure is a count of images, or a mean, a percentile or the highest value")
    assert "not over rows of the catalog" in text
    assert "Under each number: an image." in text
    assert "1. owl \\*0\\* &lt;b" in text
    assert text.endswith("more")
    assert len(text) < 4500
