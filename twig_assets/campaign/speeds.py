"""How long an image took on this machine, kept in the state folder so that the next check can say it."""

import json
from contextlib import suppress
from pathlib import Path

from twig_assets.campaign import Campaign
from twig_assets.catalog.hashing import sha256_of
from twig_assets.files import written_whole
from twig_assets.settings.home import home


def remember_seconds(campaign: Campaign, seconds_per_image: float) -> None:
    """Keep how long an image took with a campaign's model and sampler."""
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError), written_whole(path) as partial:
        partial.write_text(json.dumps({**_known(), _key(campaign): round(seconds_per_image, 3)}, sort_keys=True))


def known_seconds(campaign: Campaign) -> float | None:
    """Seconds that an image took before; None where none was drawn here with this model and sampler."""
    return _known().get(_key(campaign))


def _key(campaign: Campaign) -> str:
    generation = campaign.generation.model_dump(mode="json")
    return sha256_of({"model": campaign.model_name, "device": campaign.device, "generation": generation})[:16]


def _known() -> dict[str, float]:
    try:
        read = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _file() -> Path:
    return home() / "seconds-per-image.json"
