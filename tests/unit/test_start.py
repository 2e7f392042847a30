"""Dagster imports the definitions in every process that it starts: for a tick, a step, a page. They load no model."""

import subprocess
import sys

LIBRARIES_OF_MODELS = ("torch", "torchvision", "diffusers", "transformers", "peft", "mlflow", "pandas", "ray")


def test_the_definitions_load_no_library_of_models_and_none_of_tracking() -> None:
    code = (
        "import sys, twig_assets.definitions as d; d.defs.resolve_all_asset_keys(); "
        f"print([name for name in {LIBRARIES_OF_MODELS} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip().splitlines()[-1] == "[]"
