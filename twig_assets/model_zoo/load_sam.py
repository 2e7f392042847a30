"""Save the segmenter and open it again."""

import json
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from segment_anything.modeling import Sam

from twig_assets.model_zoo.loading import ModelError
from twig_assets.model_zoo.sam_model import SamShape, build_sam

SAM_DIR = Path(__file__).parent / "weights" / "sam"
_KIND = "twig-sam"


def save_sam(sam: Sam, shape: SamShape, folder: Path) -> None:
    """Write `config.json` and `model.safetensors` (fp16) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"kind": _KIND, **shape.model_dump()}
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    weights = {name: p.half().contiguous() for name, p in sam.state_dict().items()}
    save_file(weights, folder / "model.safetensors")


def load_sam(folder: Path | None = None) -> Sam:
    """Open the embedded segmenter, or one that `save_sam` wrote.

    Args:
        folder: Holds `config.json` and `model.safetensors`; the weights that come with the package when None.

    Returns:
        The model in evaluation mode, in float32 on the CPU; SamPredictor and SamAutomaticMaskGenerator take it.

    Raises:
        ModelError: If a file is missing, unreadable or not of this kind of model.
    """
    folder = SAM_DIR if folder is None else Path(folder)
    sam = build_sam(_read_shape(folder / "config.json"))
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelError(f"{weights}: the segmenter's weights are missing; train them with --stage sam.")
    try:
        sam.load_state_dict({name: p.float() for name, p in load_file(weights).items()})
    except SafetensorError as error:
        raise ModelError(f"{weights}: not a readable safetensors file ({error}); restore or train it again.") from error
    except RuntimeError as error:
        raise ModelError(f"{weights}: the weights do not fit config.json beside them; restore both files.") from error
    return sam.eval()


def _read_shape(path: Path) -> SamShape:
    if not path.is_file():
        raise ModelError(f"{path}: no segmenter here; train one with --stage sam or name another folder.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: not readable as JSON ({error}); restore the file.") from error
    if not isinstance(config, dict) or config.pop("kind", None) != _KIND:
        raise ModelError(f"{path}: this is not an embedded segmenter's config.json; name the folder of one.")
    try:
        return SamShape(**config)
    except ValidationError as error:
        wrong = "; ".join(": ".join([*map(str, problem["loc"]), problem["msg"]]) for problem in error.errors())
        raise ModelError(f"{path}: {wrong}; restore the file.") from error
