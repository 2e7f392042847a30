import platform
import subprocess
import sys

import pytest

_COUNT = """
import resource, sys
from twig_assets.engines.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    [bytearray(b"x") * (12 << 20) for _ in range(6)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can keep it")
def test_memory_that_was_freed_is_taken_again_without_the_system() -> None:
    faults = {
        how: int(subprocess.run([sys.executable, "-c", _COUNT, how], capture_output=True, text=True, check=True).stdout)
        for how in ("keep", "return")
    }
    assert faults["keep"] < 40_000 < 100_000 < faults["return"]
