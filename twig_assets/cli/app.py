"""The command `twig` itself: its consoles, the options that several commands share, and how errors are shown."""

import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from twig_assets.settings.engines import EngineName, EngineSettings
from twig_assets.settings.home import keep_state_private, quiet_libraries
from twig_assets.settings.secrets import hidden

if TYPE_CHECKING:
    from twig_assets.engines import Copy

quiet_libraries()

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Images that are safe to publish, from a text-to-image model, with proof.",
)


class Heard(Console):
    """A console that knows whether anything was said yet, on whichever console."""

    anything = False

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Print, and note that something was."""
        Heard.anything = True
        super().print(*args, **kwargs)


console = Heard()
errors = Heard(stderr=True)
# Libraries of models take many seconds to load on a busy machine.
_SILENT_SECONDS = 1.5
# What these write is for others to read.
_HANDS_OUT = ("ablate", "audit", "calibrate", "edit", "export", "generate", "index", "mark")

CampaignName = Annotated[str, typer.Option("--campaign", help="Folder below campaigns/.")]
CampaignRoot = Annotated[Path, typer.Option("--root", envvar="TWIG_CAMPAIGNS", help="Folder that holds the campaigns.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="How many compute; the cores by default. The results are the same."),
]
EngineOption = Annotated[EngineName, typer.Option("--engine", help="Processes of this machine, or a Ray cluster.")]
Address = Annotated[
    str | None,
    typer.Option("--address", envvar="RAY_ADDRESS", help="HOST:PORT of the Ray cluster; without it, one is started."),
]


def main() -> None:
    """Run the command; the project's own errors come as one clear message, anything else is a bug with a traceback.

    Whatever ends it, the exit status is not 1, by which `twig audit` says that an image fails.
    """
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    _speak_soon(command)
    if command not in _HANDS_OUT:
        keep_state_private()
    try:
        app()
    except MemoryError:
        errors.print(
            "[red]MemoryError[/]: there is not enough memory for this; close other programs or use a larger machine, "
            "and run the same command again: it goes on where it stopped",
            highlight=False,
            soft_wrap=True,
        )
        raise SystemExit(2) from None
    except Exception as error:
        message = _message(error)
        if message is None:
            sys.stderr.write(hidden(traceback.format_exc()))
        else:
            errors.print(f"[red]{type(error).__name__}[/]: {escape(hidden(message))}", highlight=False, soft_wrap=True)
        raise SystemExit(2) from None


def _speak_soon(command: str) -> None:
    """Say on standard error that a command is starting if it has said nothing itself by then."""

    def speak() -> None:
        if not Heard.anything:
            errors.print(f"twig {command}: starting; libraries are being loaded …", style="dim", highlight=False)

    timer = threading.Timer(_SILENT_SECONDS, speak)
    timer.daemon = True
    timer.start()


def _message(error: Exception) -> str | None:
    """What to say of an error; None of one that is a bug."""
    if type(error).__module__.startswith("twig_assets."):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error) or "the system refused something"
    return None


@contextmanager
def interruptible(kept: str) -> Iterator[None]:
    """End with status 130 on Ctrl-C.

    Args:
        kept: What is kept then, for the message.
    """
    try:
        yield
    except KeyboardInterrupt:
        errors.print(f"[yellow]Interrupted. {kept} is kept; run the same command again to go on from there.[/]")
        raise typer.Exit(130) from None


def chosen_engine(engine: EngineName, workers: int | None, address: str | None) -> EngineSettings:
    """The engine that the options name; an address counts for Ray only, since it may come from the environment."""
    return EngineSettings(engine=engine, workers=workers, address=address if engine == "ray" else None)


def brought(place: str, engine: EngineSettings) -> "tuple[Path, tuple[Copy, ...]]":
    """The path of what somebody named by its path or URL, and what workers have to copy.

    Raises:
        CopyError: If the URL cannot be read.
    """
    from twig_assets.engines import copy_of

    copy = copy_of(place)
    if copy is not None:
        return copy.bring(), (copy,)
    # Workers on other machines have another working directory.
    return (Path(place).absolute() if engine.engine == "ray" else Path(place)), ()


def the_campaign(root: Path) -> str:
    """The campaign that is meant where none is named: the only one there is.

    Raises:
        typer.BadParameter: If there are several.
    """
    from twig_assets.campaign import campaign_names

    names = campaign_names(root)
    if len(names) > 1:
        raise typer.BadParameter(f"there are several: {', '.join(names)}; say which", param_hint="--campaign")
    return names[0] if names else "demo"


def use_one_thread() -> None:
    """Let torch use as many threads as OMP_NUM_THREADS says, which is 1 unless somebody set it."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
