"""The commands about evidence, on what a real run left: `twig verify`, `twig lineage` and `twig gc`."""

import json
import os
import time
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from tests.integration.conftest import CampaignWorkspace
from twig_assets.catalog.database import schema_state
from twig_assets.catalog.models import Audit, Image, LedgerEntry, ReportFile, Review
from twig_assets.catalog.store import ArtifactStore

DAY = 24 * 3600


def report(workspace: CampaignWorkspace) -> Path:
    return workspace.home / "reports" / "tiny" / "report.json"


def candidate(workspace: CampaignWorkspace) -> Image:
    with workspace.catalog() as session:
        return session.scalars(select(Image).where(Image.stage == "regenerated").order_by(Image.id)).first()


def age(folder: Path, seconds: float) -> None:
    then = time.time() - seconds
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


def test_what_a_run_left_is_sound_and_its_report_names_the_ledgers_head(finished: CampaignWorkspace) -> None:
    ended = finished.twig("verify", "--json")
    assert ended.code == 0, ended.text
    found = json.loads(ended.text)
    assert found["findings"] == []
    with finished.catalog() as session:
        assert found["head"]["sequence"] == len(session.scalars(select(LedgerEntry.sequence)).all()) >= 6
    [kept] = [json.loads(file.read_text()) for file in (finished.home / "ledger-heads").glob("*.json")]
    named = json.loads(report(finished).read_text())["ledger"]
    assert named["sequence"] < kept["sequence"] <= found["head"]["sequence"], "kept after the report's own entries"
    assert f"{named['sequence']}:{named['sha256']}" in report(finished).with_suffix(".html").read_text()


def test_verify_names_an_altered_verdict_an_altered_artifact_and_a_lost_one(finished: CampaignWorkspace) -> None:
    image = candidate(finished)
    store = ArtifactStore(str(finished.home / "artifacts"))
    with finished.catalog() as session:
        lost = session.scalars(select(Image).where(Image.sha256 != image.sha256)).first()
    Path(str(store.path(image.sha256, "png"))).write_bytes(b"another picture")
    Path(str(store.path(lost.sha256, "png"))).unlink()
    with finished.owner("audit") as owner:
        owner.exec_driver_sql("UPDATE audit SET run_id = 'another' WHERE id = 2")
    ended = finished.twig("verify")
    assert ended.code == 1
    assert "audit 2: was altered since ledger entry" in ended.text
    assert f"{image.sha256}.png: was altered" in ended.text
    assert f"{lost.sha256}.png: no such artifact" in ended.text
    assert "3 findings" in ended.text


def test_verify_names_the_kept_head_that_the_catalog_no_longer_has(finished: CampaignWorkspace) -> None:
    file = max((finished.home / "ledger-heads").glob("*.json"))
    content, head = file.read_text(), json.loads(file.read_text())
    file.unlink()
    with finished.owner("ledger_entry", "report_file") as owner:
        last = owner.execute(select(LedgerEntry.__table__).order_by(LedgerEntry.sequence.desc())).first()
        assert last.table_name == "report_file"
        owner.execute(delete(LedgerEntry).where(LedgerEntry.sequence == last.sequence))
        owner.execute(delete(ReportFile).where(ReportFile.id == last.row_id))
    assert finished.twig("verify").code == 0, "nothing that is left shows that the end is missing"
    kept = f"{head['sequence']}:{head['sha256']}"
    ended = finished.twig("verify", "--head", kept)
    assert ended.code == 1
    assert f"--head {kept}: names entry {head['sequence']} of the ledger, which is missing" in ended.text
    file.write_text(content)
    assert f"{file}: names entry" in finished.twig("verify").text


def test_lineage_names_everything_that_an_image_came_from_and_what_was_decided(
    finished: CampaignWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # a narrow terminal cuts nothing off
    image = candidate(finished)
    with finished.catalog() as session:
        audit = session.scalars(select(Audit).where(Audit.image_id == image.id)).one()
        session.add(Review(audit_id=audit.id, decision="waive", who="Ann", why="our own [drawing]"))
    path = ArtifactStore(str(finished.home / "artifacts")).path(image.sha256, "png")
    ended = finished.twig("lineage", str(path), "--json", "--root", str(finished.root))
    assert ended.code == 0, ended.text
    found = json.loads(ended.text)
    assert (found["image"]["id"], found["state"], found["rules_problem"]) == (image.id, "released", None)
    assert found["parent"]["id"] == image.parent_id
    assert {mask["image_id"] for mask in found["masks"]} == {image.parent_id, image.id}
    assert found["prompt"]["text"] == "a red apple"
    assert [review["why"] for review in found["audits"][0]["reviews"]] == ["our own [drawing]"]
    assert found["audits"][0]["reviews"][0]["ledger_entry"] > found["audits"][0]["ledger_entry"]
    assert [verdict["ledger_entry"] is not None for verdict in found["adherence"]] == [True]
    assert found["mlflow_problem"] is None
    assert all(run["mlflow"] for run in found["runs"])
    assert image.run_id in [run["run_id"] for run in found["runs"]]
    text = finished.twig("lineage", image.sha256[:12]).text
    assert "state not known: there is no campaign 'tiny' in campaigns" in text
    for said in ("a red apple", "our own [drawing]", f"parent image {image.parent_id}", image.run_id, "released"):
        assert said in text
    assert finished.twig("lineage", str(image.id)).text == text


def test_lineage_of_an_image_that_is_not_there_says_what_to_give(finished: CampaignWorkspace) -> None:
    for wanted, said in (
        ("999", "no image with the id 999"),
        ("abc", "is no image's id"),
        ("ff" * 32, "has no such image"),
    ):
        ended = finished.twig("lineage", wanted)
        assert (ended.code, said in ended.text) == (2, True), ended.text


def test_gc_removes_only_old_files_that_nothing_refers_to(finished: CampaignWorkspace) -> None:
    artifacts = finished.home / "artifacts"
    age(artifacts, 2 * DAY)
    store = ArtifactStore(str(artifacts))
    old, young = (store.put_bytes(content, "png") for content in (b"old", b"young"))
    age(Path(str(store.path(old, "png"))).parent, 2 * DAY)
    os.utime(str(store.path(young, "png")))
    assert f"{old}.png" in finished.twig("gc").text
    assert store.exists(old, "png"), "without --delete nothing is deleted"
    ended = finished.twig("gc", "--delete")
    assert ended.code == 0, ended.text
    assert "1 files" in ended.text
    assert (store.exists(old, "png"), store.exists(young, "png")) == (False, True)
    assert finished.twig("verify").code == 0
    assert finished.twig("gc", "--grace-hours", "0").code == 2


def test_where_there_is_no_catalog_nothing_is_said_to_be_sound(workspace: CampaignWorkspace) -> None:
    for command in (["verify"], ["lineage", "1"], ["gc"]):
        ended = workspace.twig(*command)
        assert (ended.code, "there is no catalog" in ended.text) == (2, True), ended.text
    assert schema_state(workspace.catalog_url) == "empty"
    assert not (workspace.home / "catalog.db").exists()
