"""Which judge it is: a hash of everything that its scores depend on, computed without opening it."""

from functools import cache
from pathlib import Path

from twig_assets.catalog.hashing import sha256_file, sha256_of
from twig_assets.judge.files import judge_folder, other_files, weights_sha256
from twig_assets.settings.judge import EMBEDDED, NOBODY, JudgeSettings

_ZOO = Path(__file__).parents[1] / "model_zoo"
EMBEDDED_FOLDER = _ZOO / "weights" / "clip"
# Counts up whenever the comparison itself changes, so that scores of before and after are not taken for the same.
_COMPARISON = 2
_FOREIGN_COMPARISON = 1
# What a tokenizer and a processor of transformers do is in these; the rest is how they were last called.
_DECISIVE = ("tokenizer.json", "processor_config.json", "preprocessor_config.json")


def judge_sha256(judge: JudgeSettings | str, folder: Path | None = None) -> str:
    """The fingerprint of a judge: of its weights, its tokenizer, its processor, what it can name and how it compares.

    A copy of the embedded judge in a folder has the embedded judge's fingerprint.

    Args:
        judge: The judge, or its name.
        folder: What a relative folder name is relative to.

    Raises:
        JudgeError: If its files cannot be had or read.
    """
    chosen = JudgeSettings(checkpoint=judge) if isinstance(judge, str) else judge
    if chosen.checkpoint in (EMBEDDED, NOBODY):
        return _own_sha256(chosen.checkpoint)
    files = judge_folder(chosen, folder)
    if is_embedded(files):
        return _own_sha256(EMBEDDED)
    return sha256_of(
        {
            "comparison": _FOREIGN_COMPARISON,
            "vocabulary": sha256_file(_ZOO / "concepts.yaml"),
            "weights": weights_sha256(files),
            "files": other_files(files),
        }
    )


def is_embedded(folder: Path) -> bool:
    """Whether a folder holds the embedded judge: its weights, whatever format they are in, tokenizer and processor."""
    theirs, ours = other_files(folder), other_files(EMBEDDED_FOLDER)
    same = all(theirs.get(name) == ours.get(name) for name in _DECISIVE)
    return same and weights_sha256(folder) == weights_sha256(EMBEDDED_FOLDER)


@cache
def _own_sha256(name: str) -> str:
    if name == NOBODY:
        return sha256_of({"judge": name})
    towers = [sorted((_ZOO / "weights" / folder).iterdir()) for folder in ("clip", "judge")]
    files = [_ZOO / "concepts.yaml", *(file for tower in towers for file in tower)]
    hashes = {str(file.relative_to(_ZOO)): sha256_file(file) for file in files}
    return sha256_of({"comparison": _COMPARISON, "files": hashes})
