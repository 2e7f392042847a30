"""Which judge it is: a hash of everything that its scores depend on, computed without opening it."""

from functools import cache
from pathlib import Path
from typing import Literal

from twig_assets.catalog.hashing import sha256_file, sha256_of

JudgeName = Literal["embedded", "none"]
_ZOO = Path(__file__).parents[1] / "model_zoo"
# Counts up whenever the comparison itself changes, so that scores of before and after are not taken for the same.
_COMPARISON = 2


@cache
def judge_sha256(name: JudgeName) -> str:
    """The fingerprint of a judge: of its weights, its tokenizer, what it can name and how it compares.

    Args:
        name: `embedded`, or `none` where nobody judges.
    """
    if name == "none":
        return sha256_of({"judge": name})
    towers = [sorted((_ZOO / "weights" / folder).iterdir()) for folder in ("clip", "judge")]
    files = [_ZOO / "concepts.yaml", *(file for tower in towers for file in tower)]
    hashes = {str(file.relative_to(_ZOO)): sha256_file(file) for file in files}
    return sha256_of({"comparison": _COMPARISON, "files": hashes})
