"""Copy trained models into the package: `python -m twig_assets.model_zoo.training.export --folder .twig/zoo`.

Weights are stored as fp16 safetensors; configurations lose what only says where they were trained.
"""

import argparse
import json
import os
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

WEIGHTS = Path(__file__).parents[1] / "weights"
MODELS = ("clip", "pipeline", "flow", "sam", "classifier")
# AutoencoderTiny derives the second by itself and warns when it is given.
_LEFT_OUT = ("_name_or_path", "block_out_channels")


def export(trained: Path, target: Path) -> int:
    """Copy one model, halving its weights; returns the bytes written.

    Raises:
        FileNotFoundError: If the model has not been trained yet.
    """
    if not trained.is_dir():
        raise FileNotFoundError(f"{trained} is missing; train that stage first")
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(trained, partial, copy_function=shutil.copyfile)
    for file in partial.rglob("*.safetensors"):
        halved = {key: value.half() if value.is_floating_point() else value for key, value in load_file(file).items()}
        save_file(halved, file, metadata={"format": "pt"})
    for file in (*partial.rglob("config.json"), *partial.rglob("model_index.json")):
        settings = json.loads(file.read_text())
        kept = {key: value for key, value in settings.items() if key not in _LEFT_OUT or _is_unet(settings, key)}
        file.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    shutil.rmtree(target, ignore_errors=True)
    os.replace(partial, target)
    return sum(file.stat().st_size for file in target.rglob("*") if file.is_file())


def _is_unet(settings: dict[str, object], key: str) -> bool:
    return key == "block_out_channels" and settings.get("_class_name") != "AutoencoderTiny"


def main() -> None:
    """Export the models that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(os.environ.get("TWIG_HOME", ".twig")) / "zoo")
    parser.add_argument("model", nargs="*", choices=[*MODELS, []], help="all of them when none is named")
    args = parser.parse_args()
    for name in args.model or MODELS:
        print(f"{name}: {export(args.folder / name, WEIGHTS / name) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
