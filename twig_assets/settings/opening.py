"""Settings of opening a text-to-image model: everything that makes it another model than the bare checkpoint."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

NumberFormat = Literal["float32", "float16", "bfloat16"]


class LoraSettings(BaseModel):
    """A LoRA that is merged into the model's weights; in YAML its path alone will do.

    Attributes:
        path: A `.safetensors` file, a folder, or the id of a repository on the model hub.
        weight: How strongly it acts; 1 as it was trained, 0 not at all. Negative weights turn it round.
        file: Its file's name, where a folder or a repository has several.
        revision: Of a repository: a branch, a tag or a commit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1)
    weight: float = Field(1.0, ge=-4, le=4)
    file: str | None = None
    revision: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value


class SchedulerSettings(BaseModel):
    """The scheduler that takes the place of the checkpoint's own; in YAML its name alone will do.

    Attributes:
        name: A class of diffusers, such as `DPMSolverMultistepScheduler`.
        settings: What is set otherwise than in the checkpoint's own scheduler, such as `use_karras_sigmas: true` or
            `prediction_type: v_prediction`. By default all that both know is taken over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    settings: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class MemorySettings(BaseModel):
    """What is done so that a model fits a GPU; on the CPU only the autoencoder's settings have an effect.

    Attributes:
        offload: What waits in the machine's own memory while it does not compute: `none`; `text_encoders`, which are
            needed once per batch; `model`, every component but the one that computes; `group`, every layer but those
            that compute, which is slowest and needs least.
        vae_slicing: Whether the image autoencoder takes the images of a batch one by one.
        vae_tiling: Whether it takes large images tile by tile, which changes pictures by little. It is part of the
            model's fingerprint.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    offload: Literal["none", "text_encoders", "model", "group"] = "none"
    vae_slicing: bool = False
    vae_tiling: bool = False


class OpeningSettings(BaseModel):
    """How a checkpoint is opened. All of it is part of the model's fingerprint, but for where it computes and waits.

    Attributes:
        revision: Of a repository on the model hub: a branch, a tag or, what never changes, a commit.
        config: For a checkpoint that is one file: the folder or hub id with the configurations and tokenizers of its
            kind. Without it, a folder beside the file that has its name is taken, and else the hub is asked.
        loras: LoRAs that are merged into the weights, in this order.
        vae: Another image autoencoder: a folder, a `.safetensors` file or a hub id.
        scheduler: Another scheduler.
        dtype: Number format of the weights. By default float32 on the CPU; on a GPU bfloat16, or float16 where the card
            has no bfloat16.
        device: `cpu`, `cuda`, `cuda:1`, `mps`. By default a GPU where there is one.
        memory: What is done so that it fits a GPU.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    revision: str | None = None
    config: str | None = None
    loras: tuple[LoraSettings, ...] = ()
    vae: str | None = None
    scheduler: SchedulerSettings | None = None
    dtype: NumberFormat | None = None
    device: str | None = Field(None, pattern=r"^(cpu|mps|(cuda|xpu)(:[0-9]+)?)$")
    memory: MemorySettings = MemorySettings()

    @field_validator("loras", mode="before")
    @classmethod
    def _one_alone(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | dict) else value

    @property
    def opening(self) -> "OpeningSettings":
        """These settings alone, where something else extends them."""
        return OpeningSettings(**{name: getattr(self, name) for name in OpeningSettings.model_fields})
