"""Finished rows of the benchmark `ablation`, so that a run that was interrupted goes on."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from twig_assets.ablation import ConceptEdit
from twig_assets.ablation.evaluation.evaluate import Unedited
from twig_assets.bench.report import PACKAGE_DIR
from twig_assets.files import write_whole, written_whole

# The code that the figures depend on, beside the settings; files and folders of the package.
SOURCES = ("ablation", "generation", "judge", "settings", "similarity", "bench/models/ablation_tasks.py")


class AblationCache:
    """A folder of finished rows and edits, and of the unedited model's images.

    The folder's name is a hash of the settings, the model and the code, so rows of another version are never used.
    """

    def __init__(self, root: Path, settings: Any) -> None:
        """Open or make the folder for JSON-ready settings below `root`."""
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for source in SOURCES:
            path = PACKAGE_DIR / source
            for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
                digest.update(file.read_bytes())
        self.folder = root / digest.hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)

    def row(self, name: str) -> dict[str, Any] | None:
        """A finished row; None if there is none."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def keep(self, name: str, row: dict[str, Any], after: np.ndarray, edit: ConceptEdit | None = None) -> None:
        """Keep a row, with the edit and a strip of the target's images."""
        if edit is not None:
            edit.save(self.folder / f"{name}.safetensors")
        self.keep_strip(name, after)
        write_whole(self.folder / f"{name}.json", json.dumps(row))

    def keep_strip(self, name: str, images: np.ndarray, count: int = 8) -> None:
        """Keep a PNG of `count` of the images (n, H, W, 3), spread evenly, side by side."""
        chosen = images[np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)]
        Image.fromarray(np.concatenate(list(chosen), axis=1)).save(self.folder / f"{name}.png")

    def edit(self, name: str) -> ConceptEdit:
        """The edit of a finished row."""
        return ConceptEdit.load(self.folder / f"{name}.safetensors")

    def unedited(self, task: str) -> Unedited:
        """The unedited model's images of a task's prompts, those that are kept."""
        path = self.folder / f"{task}.unedited.npz"
        if not path.exists():
            return {}
        with np.load(path) as kept:
            keys = zip(kept["prompts"].tolist(), kept["seeds"].tolist(), strict=True)
            return dict(zip(keys, kept["images"], strict=True))

    def keep_unedited(self, task: str, images: Unedited) -> None:
        """Keep the unedited model's images of a task's prompts."""
        prompts, seeds = zip(*images, strict=True)
        stack = np.stack(list(images.values()))
        with written_whole(self.folder / f"{task}.unedited.npz") as partial, partial.open("wb") as file:
            np.savez(file, prompts=np.array(prompts), seeds=np.array(seeds), images=stack)
