"""One MLflow run's worth of figures, complete in itself, so that it can be kept as a file."""

import io
import time
import uuid

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

KEY_TAG = "twig/record"


class RecordedEdit(BaseModel):
    """A concept edit to register as a new version of a model.

    Attributes:
        model: Name of the registered model.
        content: The safetensors file.
        accepted: Whether the alias `accepted` moves to this version.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    model: str
    content: bytes
    accepted: bool


class Record(BaseModel):
    """What is sent to MLflow as one run; sending it twice makes one run all the same.

    Attributes:
        key: Unique; the run bears it as the tag `twig/record`.
        made_at: Milliseconds since 1970, the time of all its figures, whenever they are sent.
        experiment: Name of the MLflow experiment.
        name: Of the run.
        tags: Of the run.
        metrics: Figures by name.
        params: Settings by name.
        pictures: File name -> PNG.
        curves: Name -> its value after each step.
        edit: What to register, if anything.
        description: What the run is, as Markdown; the pictures are shown above it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    key: str = Field(default_factory=lambda: uuid.uuid4().hex, pattern=r"^[0-9a-f]{32}$")
    made_at: int = Field(default_factory=lambda: time.time_ns() // 1_000_000)
    experiment: str
    name: str
    tags: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    params: dict[str, str] = Field(default_factory=dict)
    pictures: dict[str, bytes] = Field(default_factory=dict)
    curves: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    edit: RecordedEdit | None = None
    description: str = ""


def png(picture: np.ndarray) -> bytes:
    """A picture as a file.

    Args:
        picture: uint8 (H, W, 3).
    """
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()
