"""What `twig calibrate` says."""

from pathlib import Path
from typing import Any

import pytest

from twig_assets import folder_audit
from twig_assets.cli.audit import calibrate
from twig_assets.folder_audit.calibration import Proposed
from twig_assets.folder_audit.looks import Looks
from twig_assets.similarity import Policy
from twig_assets.similarity.verdicts.calibrate import Scores, propose


def test_it_prints_the_next_command_and_what_the_thresholds_do_not_hold_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}

    def calibrated(*_: Any, **options: Any) -> Proposed:
        asked.update(options)
        clean: list[Scores | None] = [{"ssim": 0.2, "iw_ssim": 0.1}] * 40
        return Proposed(propose(clean, [], Policy(), 0.01), Looks(40, 320, 0.5), ("40 clean images are few",))

    monkeypatch.setattr(folder_audit, "calibrate_folder", calibrated)
    calibrate(tmp_path, references=Path("works"), out=Path("my results"), like=Path("new images"), loosen=True)
    said = capsys.readouterr()
    assert (asked["loosen"], asked["like"]) == (True, Path("new images"))
    assert "Next: twig audit 'new images' --references works --policy 'my results/policy.yaml'" in said.out
    assert "320 px on the longer side, 50% of them mostly plain ground" in said.out
    assert "beware 40 clean images are few" in said.err
