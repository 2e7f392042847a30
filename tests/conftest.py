"""Fixtures that many tests share: the embedded models, opened once per test run."""

import os

import pytest

from twig_assets.home import quiet_libraries, quiet_model_libraries

quiet_libraries()
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pipeline():
    """The embedded text-to-image model; a test that edits it must undo that."""
    from twig_assets.model_zoo import load_pipeline

    quiet_model_libraries()
    return load_pipeline()


@pytest.fixture(scope="session")
def clip():
    """The embedded CLIP and its processor."""
    from twig_assets.model_zoo import load_clip

    quiet_model_libraries()
    return load_clip()
