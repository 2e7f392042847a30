"""Memory that a worker frees and takes again."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names of glibc's settings, see mallopt(3)."""

_KEPT = 256 << 20
_LARGEST = 32 << 20
"""The largest that glibc takes."""


def keep_freed_memory() -> bool:
    """Let the process keep up to 256 MiB that it has freed, arrays of some megabytes among it.

    By default these go back to the system, which fills others with zeros when the next arrays are made.

    Returns:
        Whether the C library can do it; only glibc can.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST) and mallopt(_TRIM_THRESHOLD, _KEPT))
