"""Save the classifier and open it again."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from twig_assets.model_zoo.classifier import ArtClassifier
from twig_assets.model_zoo.loading import ModelError

CLASSIFIER_DIR = Path(__file__).parent / "weights" / "classifier"
_KIND = "twig-art-classifier"


def save_classifier(model: ArtClassifier, folder: Path) -> None:
    """Write `config.json` and `model.safetensors` (fp16) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"kind": _KIND, "widths": model.widths, "concepts": model.concepts, "styles": model.styles}
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    state = {name: p.half() if p.is_floating_point() else p for name, p in model.state_dict().items()}
    save_file({name: p.contiguous() for name, p in state.items()}, folder / "model.safetensors")


def load_classifier(folder: Path | None = None) -> ArtClassifier:
    """Open the embedded classifier, or one that `save_classifier` wrote.

    Args:
        folder: Holds `config.json` and `model.safetensors`; the weights that come with the package when None.

    Returns:
        The model in evaluation mode, in float32 on the CPU.

    Raises:
        ModelError: If a file is missing, unreadable or not of this kind of model.
    """
    folder = CLASSIFIER_DIR if folder is None else Path(folder)
    config = _read_config(folder / "config.json")
    model = ArtClassifier(tuple(config["widths"]), tuple(config["concepts"]), tuple(config["styles"]))
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelError(f"{weights}: the classifier's weights are missing; train them with --stage classifier.")
    try:
        state = load_file(weights)
        model.load_state_dict({name: p.float() if p.is_floating_point() else p for name, p in state.items()})
    except SafetensorError as error:
        raise ModelError(f"{weights}: not a readable safetensors file ({error}); restore or train it again.") from error
    except RuntimeError as error:
        raise ModelError(f"{weights}: the weights do not fit config.json beside them; restore both files.") from error
    return model.to(memory_format=torch.channels_last).eval()


def _read_config(path: Path) -> dict:
    if not path.is_file():
        raise ModelError(f"{path}: no classifier here; train one with --stage classifier or name another folder.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: not readable as JSON ({error}); restore the file.") from error
    if not isinstance(config, dict) or config.get("kind") != _KIND:
        raise ModelError(f"{path}: this is not an art classifier's config.json; name the folder of one.")
    missing = [key for key in ("widths", "concepts", "styles") if not config.get(key)]
    if missing:
        raise ModelError(f"{path}: {', '.join(missing)} missing; restore the file.")
    return config
