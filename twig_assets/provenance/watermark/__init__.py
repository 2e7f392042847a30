"""An invisible mark in the pixels, which survives what strips a file's header: 48 bits, keyed, one protocol.

`LatticeWatermark` is ours and needs no download; `OnnxWatermark` runs a network that the user brings. Nothing here
knows the catalog: what a payload stands for is for others to look up.
"""

from twig_assets.provenance.watermark.key import WatermarkKey, create_key, read_keys
from twig_assets.provenance.watermark.lattice import LatticeWatermark
from twig_assets.provenance.watermark.protocol import PAYLOAD_BYTES, Reading, Watermark, WatermarkError

__all__ = [
    "PAYLOAD_BYTES",
    "LatticeWatermark",
    "Reading",
    "Watermark",
    "WatermarkError",
    "WatermarkKey",
    "create_key",
    "read_keys",
]
