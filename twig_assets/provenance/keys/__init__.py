"""Who signs: test chains, certificates and keys of the user's own, and whether they may sign now."""

from twig_assets.provenance.keys.management import (
    create_test_keys,
    key_report,
    ready_keys,
    settings_from,
    use_keys,
)
from twig_assets.provenance.keys.places import keys_folder
from twig_assets.provenance.keys.settings import SigningSettings, TokenSettings, signing_settings

__all__ = [
    "SigningSettings",
    "TokenSettings",
    "create_test_keys",
    "key_report",
    "keys_folder",
    "ready_keys",
    "settings_from",
    "signing_settings",
    "use_keys",
]
