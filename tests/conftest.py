"""Fixtures that many tests share: the embedded models, opened once per test run."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from twig_assets.settings.home import quiet_libraries, quiet_model_libraries

quiet_libraries()
os.environ["HF_HUB_OFFLINE"] = "1"


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks that tests use."""
    config.addinivalue_line("markers", "sscd: needs the network that the extra `sscd` brings")


_PACKAGED = (
    "twig_assets.similarity.detectors.networks.packaged_versions",
    "twig_assets.similarity.versions.packaged_versions",
)


@pytest.fixture(autouse=True, scope="session")
def without_packaged_networks() -> Iterator[Callable[[], dict[str, str]]]:
    """What is found must not depend on what is installed beside; tests of the extra `sscd` are marked."""
    from twig_assets.similarity.detectors.networks import packaged_versions

    with pytest.MonkeyPatch.context() as patched:
        for name in _PACKAGED:
            patched.setattr(name, dict)
        yield packaged_versions


@pytest.fixture(autouse=True)
def packaged_networks(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    without_packaged_networks: Callable[[], dict[str, str]],
) -> None:
    """They are there for tests that are marked."""
    if request.node.get_closest_marker("sscd") is not None:
        for name in _PACKAGED:
            monkeypatch.setattr(name, without_packaged_networks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the integration tests be run on either kind of storage."""
    parser.addoption(
        "--storage",
        choices=["sqlite", "postgresql"],
        default="sqlite",
        help="where the integration tests keep the catalog and Dagster's instance",
    )


ALONE = "tests/integration/test_daemon.py"


class _Together(LoadScopeScheduling):
    """Shares the tests out so that what has fixtures in common stays on one worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return "integration" if file.startswith("tests/integration/") and file != ALONE else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Share out files; those of tests/integration, most of which share one run of a campaign, as if they were one.

    The daemon's is the longest of these and waits more than it works. Beside the others, on another worker from the
    start, it costs less time than after them.
    """
    config.option.loadscopereorder = False
    return _Together(config, log)


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pipeline():
    """The embedded text-to-image model; a test that edits it must undo that."""
    from twig_assets.model_zoo import load_pipeline

    quiet_model_libraries()
    return load_pipeline()


@pytest.fixture(scope="session")
def clip():
    """The embedded CLIP and its processor."""
    from twig_assets.model_zoo import load_clip

    quiet_model_libraries()
    return load_clip()


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory):
    """MLflow's database without a run in it: making its tables takes many seconds, copying it none."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def empty_mlflow_url(empty_mlflow, tmp_path):
    """The URL of a database of MLflow's own, without a run in it."""
    import shutil

    return f"sqlite:///{shutil.copy(empty_mlflow, tmp_path / 'mlflow.db')}"


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of its own; a call makes an empty database there and gives its SQLAlchemy URL.

    Called with the URL of one that is there, it makes a copy of that; whoever was connected to it is cut off.
    """
    from itertools import count

    from sqlalchemy import make_url

    from twig_assets.bench.campaigns.postgresql import postgresql

    numbers = count()
    with postgresql() as (server, _):
        # Its data is thrown away, and a busy disk takes a minute to have all of it.
        server.psql("ALTER SYSTEM SET fsync = off")
        server.psql("SELECT pg_reload_conf()")

        def new_database(like: str = "") -> str:
            name = f"test_{next(numbers)}"
            if like:
                model = make_url(like).database
                server.psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{model}'")
                server.psql(f"CREATE DATABASE {name} TEMPLATE {model}")
            else:
                server.psql(f"CREATE DATABASE {name}")
            url = make_url(server.get_uri()).set(drivername="postgresql+psycopg", database=name)
            return url.render_as_string(hide_password=False)

        yield new_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """The URL of an empty database, of each kind that the catalog can live in."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    return request.getfixturevalue("postgres")()
