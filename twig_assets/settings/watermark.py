"""Settings of the invisible mark in the pixels: the part `watermark` of a campaign's `policy.yaml`."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Field(pattern="^[0-9a-f]{64}$")


class WatermarkNetwork(BaseModel):
    """A network for marking that you bring, such as TrustMark or Pixel Seal, as two ONNX files.

    Attributes:
        name: What it is called; stored beside every image that it marks.
        encoder: Its encoder, seen from where the command runs: takes a picture (1, 3, side, side) and bits (1, bits),
            gives the marked picture.
        encoder_sha256: The file's SHA-256; no other file is opened.
        decoder: Its decoder: takes a picture, gives a value per bit, positive for 1.
        decoder_sha256: The file's SHA-256.
        side: Of the pictures that it takes, in pixels.
        bits: How many it writes; of 100, 48 are the payload and the others correct errors.
        value_range: Whether its pictures run from -1 to 1 (`signed`) or from 0 to 1 (`unit`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern="^[a-z0-9][a-z0-9.-]{0,47}$")
    encoder: Path
    encoder_sha256: str = Sha256
    decoder: Path
    decoder_sha256: str = Sha256
    side: int = Field(256, ge=32)
    bits: int = Field(100, ge=64)
    value_range: Literal["signed", "unit"] = "signed"


class WatermarkSettings(BaseModel):
    """Whether images that may be published get an invisible mark, before they are audited.

    Attributes:
        use: `with_key` marks from the day on that there is a key; what was drawn before stays as it is. `always`
            refuses to draw without a key, and images without the mark do not count. `never` marks nothing.
        network: A network of your own in place of the built-in mark.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    use: Literal["with_key", "always", "never"] = "with_key"
    network: WatermarkNetwork | None = None
