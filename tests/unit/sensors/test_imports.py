"""Sensors are light: a tick has 60 seconds and no business with models."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["sensors", "campaign.rules_in_force", "campaign.campaign"])
def test_importing_it_loads_no_model_library(module: str) -> None:
    heavy = ("torch", "transformers", "diffusers")
    code = f"import sys, twig_assets.{module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
