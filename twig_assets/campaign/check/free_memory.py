"""How much memory processes can still have, so that none is begun that the system would end."""

from pathlib import Path

import psutil

_CGROUPS = Path("/sys/fs/cgroup")
# Of the two versions of control groups: folder below the mount, limit, use, and what of the use can be given back.
_VERSIONS = (
    (".", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory() -> float:
    """Bytes of memory that processes can still have, without swap: of the machine, or of the container if that is less.

    Where a container's limit is passed, its process is ended, however much the machine has left.
    """
    return min(float(psutil.virtual_memory().available), contained_memory(_CGROUPS))


def contained_memory(mount: Path) -> float:
    """Bytes that are left of a container's limit; infinity where there is none.

    Args:
        mount: Where control groups are mounted. In a container, its own group is at the top.
    """
    for folder, limit, use, reclaimable in _VERSIONS:
        group = mount / folder
        try:
            allowed, used = (int((group / name).read_text()) for name in (limit, use))
            stated = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no such file, or the word "max"
            continue
        return max(0.0, float(allowed - used + int(stated.get(reclaimable, 0))))
    return float("inf")
