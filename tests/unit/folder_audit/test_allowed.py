"""What may be shown of works, in audits of folders."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from twig_assets.campaign.element_parts import AllowedElementError
from twig_assets.cli import app
from twig_assets.folder_audit import Outcome, audit_folder
from twig_assets.folder_audit.allowed import FILE, allow, in_force, lift, read_elements
from twig_assets.similarity import Policy
from twig_assets.similarity.index.build import build_index, works_in

POLICY = Policy(ssim_threshold=0.6, review_margin=0.1, sscd_network="none")


def run(images: Path, references: Path, out: Path) -> Outcome:
    return audit_folder(images, references, POLICY, out, sample=0)


def verdicts(outcome: Outcome) -> dict[str, str]:
    return {image.file.name: image.verdict for image in outcome.judged}


@pytest.fixture(params=["folder", "index"])
def works_of(request: pytest.FixtureRequest, references: Path, tmp_path: Path) -> Path:
    """The same works as a folder and as an index."""
    if request.param == "folder":
        return references
    build_index(tmp_path / "index", works_in([references]), [], lambda done, total: None)
    return tmp_path / "index"


def test_a_copy_of_an_allowed_work_passes_until_that_is_lifted(images: Path, works_of: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert verdicts(run(images, works_of, out)) == {"copy.png": "fail", "mirrored.png": "fail", "other.png": "pass"}
    made = allow(out, "Alpha", "licensed", "Ada", "our <own>")
    outcome = run(images, works_of, out)
    assert verdicts(outcome) == {"copy.png": "pass", "mirrored.png": "fail", "other.png": "pass"}
    first = outcome.judged[0].result["reasons"][0]
    assert first == "allowed: the whole of 'Alpha' (licensed, by Ada: our <own>)"
    assert "our &lt;own&gt;" in (out / "gallery.html").read_text()
    again = run(images, works_of, out)
    assert again.judged[0].result == outcome.judged[0].result, "from what was kept"
    lift(out, made.number, "Bob", "not for print")
    assert verdicts(run(images, works_of, out))["copy.png"] == "fail"
    assert [one.decision for one in read_elements(out)] == ["allow", "lift"]
    assert in_force(read_elements(out)) == []


def test_what_lies_outside_an_allowed_part_is_still_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    work = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    for folder in ("works", "images"):
        (tmp_path / folder).mkdir()
    Image.fromarray(work).save(tmp_path / "works" / "poster.png")
    for seed in range(3):
        other = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(other).save(tmp_path / "works" / f"other{seed}.png")
    Image.fromarray(work).save(tmp_path / "images" / "copy.png")
    out = tmp_path / "out"
    run(tmp_path / "images", tmp_path / "works", out)
    allow(out, "poster.png", "generic", "Ada", "a frame", parts=[(0.0, 0.0, 1.0, 0.1)])
    outcome = run(tmp_path / "images", tmp_path / "works", out)
    assert verdicts(outcome) == {"copy.png": "fail"}
    assert outcome.judged[0].result["reasons"][0].startswith("allowed: the part 0% to 100% from the left")


def test_an_image_stays_as_it_is_where_nothing_is_left_to_compare_with(
    images: Path, references: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(references / "a.png", alone)
    out = tmp_path / "out"
    run(images, alone, out)
    allow(out, "a.png", "licensed", "Ada", "ours")
    outcome = run(images, alone, out)
    assert verdicts(outcome)["copy.png"] == "fail"
    assert "without that nothing could be compared" in outcome.judged[0].result["reasons"][1]


def test_on_the_command_line(images: Path, references: Path, tmp_path: Path) -> None:
    out, ask = tmp_path / "out", CliRunner().invoke
    missing = ask(app, ["allow", "Alpha", "--out", str(out), "--who", "Ada", "--why", "ours"])
    assert "run twig audit" in str(missing.exception)
    run(images, references, out)
    unknown = ask(app, ["allow", "Nobody", "--out", str(out), "--who", "Ada", "--why", "ours"])
    assert "0 works that an image came near are called" in str(unknown.exception)
    made = ask(app, ["allow", "Alpha", "--out", str(out), "--who", "Ada", "--why", "ours", "--until", "2999-01-01"])
    assert made.exit_code == 0, made.output
    [listed] = json.loads(ask(app, ["allow", "--out", str(out), "--json"]).stdout)
    assert (listed["title"], listed["until"], listed["today"]) == ("Alpha", "2999-01-01", "holds")
    over = ask(app, ["allow", "Alpha", "--out", str(out), "--who", "Ada", "--why", "ours", "--until", "2020-01-01"])
    assert "is over already" in str(over.exception)
    assert ask(app, ["allow", "--lift", "1", "--out", str(out), "--who", "Bob", "--why", "no more"]).exit_code == 0
    again = ask(app, ["allow", "--lift", "1", "--out", str(out), "--who", "Bob", "--why", "no more"])
    assert "lift: 1 is none that holds" in str(again.exception)
    with (out / "audit.csv").open(newline="") as file:
        assert {row["image"] for row in csv.DictReader(file)} == {"copy.png", "mirrored.png", "other.png"}
    (out / FILE).write_text("{}\n")
    with pytest.raises(AllowedElementError, match=r"allowed\.jsonl:1: is no allowed element"):
        read_elements(out)
