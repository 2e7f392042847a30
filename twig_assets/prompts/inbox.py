"""Take a dropped file of prompts into a campaign, or move it aside with the reason."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from twig_assets.prompts.prompt_files import PromptRow, prompt_files, read_prompts
from twig_assets.prompts.records import PromptError

INBOX, REJECTED = "inbox", "rejected"
PREFIX = "prompts_inbox_"
_SUFFIXES = {".yaml": ".yaml", ".yml": ".yaml", ".csv": ".csv"}


def waiting_files(folder: Path) -> list[Path]:
    """The files in a campaign's inbox in order of name, hidden ones left out; none when there is no inbox."""
    inbox = folder / INBOX
    if not inbox.is_dir():
        return []
    return sorted(path for path in inbox.iterdir() if path.is_file() and not path.name.startswith("."))


def taken_files(folder: Path) -> list[Path]:
    """The files that came from the inbox, in the order in which they came."""
    return sorted(folder.glob(f"{PREFIX}*"))


def take_in(file: Path, folder: Path, check: Callable[[Sequence[PromptRow]], object] | None = None) -> Path:
    """Check a file together with the campaign's prompts and move it to their end.

    Args:
        file: A file in the campaign's inbox.
        folder: The campaign's folder. Its own prompts, if there are any, have no problems.
        check: Called with the file's prompts, if given; raises PromptError for those that must not be drawn.

    Returns:
        Where the file is now: it is numbered, so that it comes after every file that was there before.

    Raises:
        PromptError: With every problem of the file; it is left where it is.
    """
    target = _target(file, folder)
    present = prompt_files(folder)
    last = max(present, default=None)
    if last is not None and last > target:
        raise PromptError([f"{file}: file: {last.name} would come after it; rename that file so that it sorts first"])
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        try:
            for path in present:
                shutil.copyfile(path, copy / path.name)
            shutil.copyfile(file, copy / target.name)
            rows = [row for row in read_prompts(copy) if row.file == copy / target.name]
            if not rows:
                raise PromptError([f"{file}: file: holds no prompt; write one into it, or delete it"])
            if check:
                check(rows)
        except PromptError as error:
            message = str(error).replace(str(copy / target.name), str(file)).replace(str(copy), str(folder))
            raise PromptError(message.splitlines()) from error
        except OSError as error:
            raise PromptError([f"{file}: file: cannot be read ({error.strerror})"]) from error
    os.replace(file, target)
    return target


def reject(file: Path, reason: str) -> Path:
    """Move a file out of the inbox into `rejected/`, with the reason in a file beside it; returns its new place.

    The reason is written first, so that no file lies there without one.
    """
    aside = file.parent / REJECTED
    aside.mkdir(exist_ok=True)
    target, count = aside / file.name, 1
    while target.exists():
        count += 1
        target = aside / f"{file.stem}-{count}{file.suffix}"
    target.with_name(f"{target.name}.error.txt").write_text(f"{reason}\n", encoding="utf-8")
    os.replace(file, target)
    return target


def _target(file: Path, folder: Path) -> Path:
    suffix = _SUFFIXES.get(file.suffix.lower())
    if suffix is None:
        raise PromptError([f"{file}: file: prompts come as .yaml or .csv; save it as one of these"])
    numbers = [int(match[1]) for path in taken_files(folder) if (match := re.match(rf"{PREFIX}(\d+)_", path.name))]
    stem = re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")[:60] or "prompts"
    return folder / f"{PREFIX}{max(numbers, default=0) + 1:06d}_{stem}{suffix}"
