"""What makes a training the same again: its identity, the seeds of its steps, and its state when it is interrupted.

The state is one safetensors file, from which the same training goes on.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from twig_assets.ablation.errors import TrainingError
from twig_assets.files import written_whole
from twig_assets.settings.ablation import AblationSettings, ConceptTarget


@dataclass
class TrainingState:
    """How far a training has come.

    Attributes:
        step: Steps done.
        values: Parameter name -> its value now.
        moments: The optimiser's two running means, by parameter name.
        identity: `identity_of` the training; a state goes on with its own training only.
        losses: The loss of each step done, so that a resumed training has a whole curve.
        scale: What the loss is multiplied by before its gradients are taken.
    """

    step: int
    values: Mapping[str, torch.Tensor]
    moments: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    identity: str
    losses: Sequence[float] = ()
    scale: float = 1.0

    def save(self, path: Path) -> None:
        """Write the state whole or not at all."""
        tensors = {f"value.{name}": value.detach() for name, value in self.values.items()}
        for name, (first, second) in self.moments.items():
            tensors |= {f"first.{name}": first, f"second.{name}": second}
        path.parent.mkdir(parents=True, exist_ok=True)
        described = json.dumps(
            {"step": self.step, "identity": self.identity, "losses": list(self.losses), "scale": self.scale}
        )
        with written_whole(path) as partial:
            save_file({k: v.contiguous() for k, v in tensors.items()}, partial, metadata={"training": described})

    @classmethod
    def load(cls, path: Path, identity: str) -> "TrainingState | None":
        """The state in the file; None where there is no file.

        Raises:
            TrainingError: If the file is damaged or belongs to another training.
        """
        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as opened:
                described = json.loads(opened.metadata()["training"])
                tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                f"{path} cannot be read as a training's state ({error}); delete it to start again"
            ) from error
        if described["identity"] != identity:
            raise TrainingError(f"{path} is the state of another training; delete it, or give another folder")
        values = {key.removeprefix("value."): value for key, value in tensors.items() if key.startswith("value.")}
        moments = {n: (tensors[f"first.{n}"], tensors[f"second.{n}"]) for n in values if f"first.{n}" in tensors}
        losses, scale = described.get("losses", ()), described.get("scale", math.inf)
        return cls(described["step"], values, moments, identity, losses, scale)


def identity_of(concept: ConceptTarget, settings: AblationSettings, base_sha256: str) -> str:
    """A hash that differs between trainings, also used as a folder's name.

    It does not depend on the learning rate, so that a rate that was too high can be lowered, nor on how the edit is
    going to be judged.
    """
    trained = settings.model_dump_json(
        exclude={"evaluation": True, "gate": True, "storage": True, "tuning": {"learning_rate", "checkpoint_every"}}
    )
    return hashlib.sha256("\n".join((concept.model_dump_json(), trained, base_sha256)).encode()).hexdigest()


def seed_of(*numbers: int) -> int:
    """A seed below 2**63 that differs for each tuple of numbers, for the many random draws of one computation."""
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:8], "little") >> 1
