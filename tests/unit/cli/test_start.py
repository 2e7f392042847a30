"""The command line starts at once, whichever way it is started."""

import subprocess
import sys

import pytest

from twig_assets.cli import COMMANDS

HEAVY = ("torch", "transformers", "diffusers", "dagster", "mlflow", "cv2", "faiss", "numba", "sqlalchemy")


def test_no_command_loads_a_heavy_library_before_it_runs() -> None:
    code = f"import sys, twig_assets.cli; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "twig_assets.cli"],
        ["-c", "from twig_assets.cli import main; main()"],
        ["-c", "import runpy; runpy.run_module('twig_assets.cli', run_name='__main__')"],
    ],
    ids=["module", "entry point", "runpy"],
)
def test_help_lists_every_command(command: list[str]) -> None:
    done = subprocess.run([sys.executable, *command, "--help"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [c.__name__ for c in COMMANDS if f"│ {c.__name__} " not in done.stdout] == []
