"""Decisions about images beside works."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from twig_assets.cli import app
from twig_assets.folder_audit import Outcome, audit_folder
from twig_assets.folder_audit.waivers import FILE, WaiverError, decide
from twig_assets.similarity import Policy

POLICY = Policy(ssim_threshold=0.6, review_margin=0.1)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(images: Path, references: Path, out: Path, policy: Policy = POLICY) -> Outcome:
    return audit_folder(images, references, policy, out, sample=0)


def test_a_waiver_is_shown_everywhere_and_changes_no_verdict(images: Path, references: Path, out: Path) -> None:
    run(images, references, out)
    [made] = decide(out, "copy.png", "waive", "Ada", "licensed <since> May")
    assert made.title == "Alpha"
    outcome = run(images, references, out)
    assert list(outcome.waived) == ["copy.png"]
    assert outcome.judged[0].verdict == "fail"
    assert outcome.summary["images"]["fail"] == 2
    assert outcome.summary["waived"]["copy.png"][0]["who"] == "Ada"
    page = (out / "gallery.html").read_text()
    assert "fails, waived" in page
    assert "licensed &lt;since&gt; May" in page
    with (out / "audit.csv").open(newline="") as file:
        told = {(row["image"], row["title"]): row["waived"] for row in csv.DictReader(file)}
    assert told["copy.png", "Alpha"] == "Ada: licensed <since> May"
    assert {value for pair, value in told.items() if pair != ("copy.png", "Alpha")} == {""}


def test_a_waiver_ends_with_the_image_the_policy_or_a_further_work(
    images: Path, references: Path, out: Path, works: list[np.ndarray]
) -> None:
    run(images, references, out)
    decide(out, "copy.png", "waive", "Ada", "licensed")
    assert run(images, references, out, Policy(ssim_threshold=0.61)).waived == {}
    assert list(run(images, references, out).waived) == ["copy.png"]
    Image.fromarray(works[3]).save(references / "unlike.png")
    assert list(run(images, references, out).waived) == ["copy.png"]
    nearly = works[0].copy()
    nearly[:4] = 255
    Image.fromarray(nearly).save(references / "alike.png")
    assert run(images, references, out).waived == {}
    (references / "alike.png").unlink()
    changed = works[0].copy()
    changed[0, 0] ^= 1
    Image.fromarray(changed).save(images / "copy.png")
    assert run(images, references, out).waived == {}


def test_a_waiver_can_be_taken_back_and_all_decisions_are_kept(images: Path, references: Path, out: Path) -> None:
    outcome = run(images, references, out)
    sha256 = outcome.judged[0].sha256
    assert sha256
    decide(out, sha256[:10], "waive", "Ada", "licensed")
    decide(out, "copy.png", "revoke", "Bob", "the licence ended")
    assert run(images, references, out).waived == {}
    kept = [json.loads(line) for line in (out / FILE).read_text().splitlines()]
    assert [one["decision"] for one in kept] == ["waive", "revoke"]


def test_what_cannot_be_decided_is_told(images: Path, references: Path, out: Path) -> None:
    with pytest.raises(WaiverError, match="run twig audit"):
        decide(out, "copy.png", "waive", "Ada", "licensed")
    run(images, references, out)
    for image, who, told in [
        ("copy.png", " ", "who and why"),
        ("none.png", "Ada", "0 images are called so"),
        ("other.png", "Ada", "its verdict is pass"),
    ]:
        with pytest.raises(WaiverError, match=told):
            decide(out, image, "waive", who, "licensed")
    assert not (out / FILE).exists()
    (out / FILE).write_text("{}\n")
    with pytest.raises(WaiverError, match="waivers.jsonl:1: is not a decision"):
        run(images, references, out)


def test_the_commands_exit_status_counts_what_nobody_waived(images: Path, references: Path, out: Path) -> None:
    (images / "mirrored.png").unlink()
    audit = ["audit", str(images), "--references", str(references), "--out", str(out), "--sample", "0"]
    assert CliRunner().invoke(app, audit).exit_code == 1
    review = ["review", "copy.png", "--out", str(out), "--who", "Ada", "--why", "licensed"]
    told = CliRunner().invoke(app, review)
    assert "waived: copy.png beside 'Alpha'" in told.output
    assert CliRunner().invoke(app, audit).exit_code == 0
    assert "by Ada: licensed" in CliRunner().invoke(app, ["review", "--out", str(out)]).output
