"""How the kernels are compiled: kept on disk where that is possible, and not at the cost of importing the package."""

import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba.core import caching

from twig_assets.similarity.structural import kernels


def double(value: int) -> int:
    return 2 * value


def test_kernels_are_kept_on_disk() -> None:
    assert kernels.kernel(double)(21) == 42
    assert kernels.all_pairs.stats.cache_path


def test_without_a_folder_to_keep_them_in_kernels_are_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="no locator available"):
        numba.njit(cache=True)(double)
    assert kernels.kernel(double)(21) == 42


def test_where_an_installation_cannot_be_written_kernels_are_kept_with_the_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    # Without those for a package's own folder and the user's cache.
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [caching.UserProvidedCacheLocator])
    compiled = kernels.kernel(double)
    assert compiled(21) == 42
    assert list((tmp_path / "numba").rglob("*double*.nbc"))
    assert numba.config.CACHE_DIR == ""


def test_the_package_is_imported_without_numba_or_torch() -> None:
    program = "import sys, twig_assets.similarity; print({'numba', 'llvmlite', 'torch', 'dagster'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
