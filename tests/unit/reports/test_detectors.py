"""A detector that is one file shows in the report."""

import json
from pathlib import Path

import yaml

from tests.unit.reports.filler import Filler, drawing
from tests.unit.similarity.toy_detector import ColourDistance
from twig_assets.catalog.models import PolicyRow
from twig_assets.reports import Thumbnails, collect, render
from twig_assets.similarity.detectors.registry import registered
from twig_assets.similarity.verdicts.policy import policy_model


def test_a_new_detector_that_triggered_is_named_beside_the_image(filler: Filler, tmp_path: Path) -> None:
    with registered(ColourDistance()) as detector:
        policy = policy_model().model_validate({"ssim_threshold": 1, "colour_distance_at_most": 255})
        row = PolicyRow(sha256=policy.sha256, body=policy.model_dump())
        filler.session.add(row)
        filler.session.flush()
        (filler.campaign.folder / "policy.yaml").write_text(yaml.safe_dump(policy.model_dump()))
        filler.audit(filler.image(filler.prompt("a fox"), drawing("fox")[0]), policy=row)
        data = collect(filler.session, filler.campaign)
        pictures = Thumbnails(tmp_path / "pictures", filler.store, filler.campaign.references_folder, {})
        render(data, pictures, tmp_path)
    assert f'<span class="bad-ink">{detector.title} ' in (tmp_path / "report.html").read_text()
    [image] = json.loads((tmp_path / "report.json").read_text())["caught"][0]["images"]
    [line] = [line for line in image["detectors"] if line["name"] == "colour"]
    assert (line["direction"], line["threshold"], line["reached"]) == ("<=", 255, True)
