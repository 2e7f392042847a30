"""Where keys lie."""

import os
from pathlib import Path

from twig_assets.settings.home import home


def keys_folder() -> Path:
    """The folder of keys: TWIG_KEYS, or `keys` in the state folder."""
    return Path(os.environ.get("TWIG_KEYS") or home() / "keys").absolute()
