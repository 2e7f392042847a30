"""What a process cost when it has ended."""

import os
import subprocess
import threading
from pathlib import Path
from typing import Any

_INTERVAL = 0.5


def ended(process: "subprocess.Popen[str]") -> tuple[str, dict[str, Any]]:
    """Wait for a process whose output is a pipe.

    Returns:
        What it wrote; and its exit status, its processor seconds with those of its children, and the peak of its
        resident memory in GiB (VmHWM, which is looked at every half second; 0 where the system does not tell it).
    """
    peak, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(_INTERVAL):
            peak[0] = max(peak[0], peak_gib(process.pid))

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    done.set()
    watching.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    return said, {
        "status": process.returncode,
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_gib": peak[0],
    }


def peak_gib(process: int | str) -> float:
    """The peak of a process's resident memory in GiB, in hundredths; 0 where the system does not tell it.

    Args:
        process: Its id, or `self`.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    kilobytes = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
    return round(kilobytes / 2**20, 2)
