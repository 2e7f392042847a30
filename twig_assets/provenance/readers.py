"""Which watermarks may be found in a file: those of this installation's keys and of its campaigns' networks."""

from pathlib import Path

from twig_assets.provenance.keys.places import keys_folder
from twig_assets.provenance.watermark import LatticeWatermark, Watermark, WatermarkKey, read_keys
from twig_assets.provenance.watermark.networks import OnnxWatermark
from twig_assets.settings.watermark import WatermarkNetwork, WatermarkSettings
from twig_assets.similarity import read_part


def watermark_of(key: WatermarkKey, network: WatermarkNetwork | None = None) -> Watermark:
    """The watermark of a key: the built-in one, or that of a network."""
    return LatticeWatermark(key) if network is None else OnnxWatermark(key, network)


def readers(policy_files: list[Path]) -> list[Watermark]:
    """Every watermark that may be found in a file: the built-in one of each key, and the campaigns' networks.

    Raises:
        WatermarkError: If a key or a network cannot be used.
        PolicyError: If a policy cannot be read.
    """
    keys = read_keys(keys_folder())
    named = [read_part(file, WatermarkSettings).network for file in policy_files if file.exists()]
    networks: list[WatermarkNetwork | None] = [None, *dict.fromkeys(network for network in named if network)]
    return [watermark_of(key, network) for network in networks for key in keys]
