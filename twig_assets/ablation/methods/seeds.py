"""Seeds for the many random draws of one computation."""

import hashlib


def seed_of(*numbers: int) -> int:
    """A seed below 2**63 that differs for each tuple of numbers."""
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:8], "little") >> 1
