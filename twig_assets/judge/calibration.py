"""What the embedded judge gives plain draws of the embedded checkpoint, measured once and shipped.

`python -m twig_assets.bench.models.calibrate_judge` measures it, which is due whenever the weights of either change.
"""

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

FILE = Path(__file__).parent / "embedded_calibration.json"


class ShippedCalibration(BaseModel):
    """Margins of plain draws.

    Attributes:
        judge_sha256: The judge that gave them.
        base_sha256: The checkpoint that drew.
        margins: One for each draw, in order of seed.
        source: How they were made, for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge_sha256: str
    base_sha256: str
    margins: list[float] = Field(min_length=1)
    source: str


@cache
def shipped_calibration() -> ShippedCalibration:
    """The calibration that comes with the package."""
    return ShippedCalibration.model_validate_json(FILE.read_text())
