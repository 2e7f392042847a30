"""Faults of files that are dropped into an inbox: each is refused by itself, and the good one beside it is taken in."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from twig_assets.bench.campaigns.fault_cases.case import Fault, named, problems_left, tick
from twig_assets.bench.campaigns.undisturbed import UndisturbedRuns
from twig_assets.bench.campaigns.workspace import Workspace
from twig_assets.prompts.inbox import INBOX, REJECTED, taken_files
from twig_assets.sensors import prompt_inbox

_BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

BAD: dict[str, tuple[str, bytes]] = {
    "is not UTF-8": ("bad.yaml", b"- a caf\xe9, fluent style\n"),
    "is empty": ("bad.yaml", b""),
    "is a mapping and no list": ("bad.yaml", b"text: a red apple\n"),
    "expands to a thousand million entries": ("bad.yaml", _BOMB.encode()),
    "is nested a hundred thousand deep": ("bad.yaml", b"[" * 100_000),
    "names a Python object to be made": ("bad.yaml", b"- !!python/object/apply:os.system ['touch made']\n"),
    "has a seed beyond all numbers": ("bad.yaml", b"- {text: a blue boat, seed: 1" + b"0" * 5000 + b"}\n"),
    "has a seed that is no number": ("bad.yaml", b"- {text: a blue boat, seed: .nan}\n"),
    "has half a surrogate in a text": ("bad.yaml", b'- "a blue boat \\ud800"\n'),
    "has a zero byte in a text": ("bad.csv", b"text\na blue\x00 boat\n"),
    "has no column of texts": ("bad.csv", b"words\na blue boat\n"),
    "has a text of a million letters": ("bad.yaml", b"- " + b"a" * 1_000_000 + b"\n"),
    "is a picture under a table's name": ("bad.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
    "is of a kind that nobody reads": ("bad.docx", b"PK\x03\x04"),
}
"""What is wrong with a file -> its name and its bytes."""

_GOOD = b"- a green pear, fluent style\n"


def bad_file(name: str, content: bytes, undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """Drop a file that cannot be used and one that can, and take the second away again when it has been taken in."""

    def drop(inbox: Path) -> None:
        (inbox / name).write_bytes(content)

    return _dropped(drop, name, undisturbed, workspace)


def vanishing(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A file in the inbox is a link to a file that is not there any more."""

    def drop(inbox: Path) -> None:
        os.symlink(inbox / "nowhere.yaml", inbox / "bad.yaml")

    return _dropped(drop, None, undisturbed, workspace)


def _dropped(
    drop: Callable[[Path], None], rejected: str | None, undisturbed: UndisturbedRuns, workspace: Workspace
) -> list[str]:
    undisturbed.finished.copy_to(workspace)
    inbox = workspace.campaign / INBOX
    inbox.mkdir()
    drop(inbox)
    (inbox / "good.yaml").write_bytes(_GOOD)
    with workspace.entered() as location:
        cursor = tick(location, prompt_inbox).cursor
        said = tick(location, prompt_inbox, cursor)
    taken = taken_files(workspace.campaign)
    problems = [] if len(taken) == 1 and taken[0].read_bytes() == _GOOD else [f"taken in: {[t.name for t in taken]}"]
    if rejected is not None:
        aside = inbox / REJECTED
        reason = aside / f"{rejected}.error.txt"
        found = list(aside.glob("*.error.txt")) if aside.is_dir() else []
        told = reason.is_file() and bool(reason.read_text(encoding="utf-8").strip())
        if not told and not any(file.read_text(encoding="utf-8").strip() for file in found):
            problems.append(f"no reason lies beside it; the sensor said {said.skip_message}")
    for file in taken:
        file.unlink()
    return [*problems, *problems_left(workspace, undisturbed.state)]


INBOX_FAULTS: dict[str, Fault] = {
    **{f"A file in the inbox {what}": partial(bad_file, name, content) for what, (name, content) in BAD.items()},
    **named(vanishing),
}
