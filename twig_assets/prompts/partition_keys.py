"""The keys of partitions: each begins with the name of its campaign, and says which that is."""

import re

_BATCH = re.compile(r"(.+)-[0-9]{3,}")
# No campaign's name has a dot.
_CONCEPT = re.compile(r"([^.]+)\..+")


def batch_key(campaign: str, number: int) -> str:
    """The key of a campaign's batch, such as `demo-000`."""
    return f"{campaign}-{number:03d}"


def concept_key(campaign: str, concept: str) -> str:
    """The key of a campaign's concept, such as `demo.violin`."""
    return f"{campaign}.{concept}"


def campaign_of_batch(key: str) -> str | None:
    """The campaign of a batch; None for what is no key of one."""
    return _campaign(_BATCH, key)


def campaign_of_concept(key: str) -> str | None:
    """The campaign of a concept; None for what is no key of one."""
    return _campaign(_CONCEPT, key)


def _campaign(form: re.Pattern[str], key: str) -> str | None:
    found = form.fullmatch(key)
    return found[1] if found else None
