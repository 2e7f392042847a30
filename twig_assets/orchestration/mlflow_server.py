"""MLflow's server behind the guard: `python -m twig_assets.orchestration.mlflow_server`.

What `mlflow server` does besides is left out: it starts processes for jobs, and it takes the address of its database,
with the password, from its command line, which every user of the machine can read.
"""

import os

from twig_assets.guard import LOOPBACK, MLFLOW, read_settings
from twig_assets.orchestration.guarded import serve_guarded
from twig_assets.settings.home import keep_state_private, mlflow_artifacts, mlflow_port, quiet_libraries, tracking_uri

_ARTIFACTS = "mlflow-artifacts:/"


def main() -> None:
    """Serve the database and the artifacts of the state folder."""
    keep_state_private()
    quiet_libraries()
    _tell_mlflow()
    from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(tracking_uri(), tracking_uri(), _ARTIFACTS)
    serve_guarded(app, MLFLOW, mlflow_port())


def _tell_mlflow() -> None:
    """Set what its application reads from the environment, some of it when it is imported."""
    added = [host for host in read_settings().hosts if host not in LOOPBACK]
    if added:
        # It has a list of its own, and takes requests from pages under those names for foreign ones otherwise.
        hosts = [name for host in ("127.0.0.1", "localhost", *added) for name in (host, f"{host}:*")]
        origins = [f"{scheme}://{host}{port}" for host in added for scheme in ("http", "https") for port in ("", ":*")]
        os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"] = ",".join(hosts)
        os.environ["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] = ",".join(origins)
    from mlflow.server import constants

    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = tracking_uri()
    os.environ[constants.REGISTRY_STORE_URI_ENV_VAR] = tracking_uri()
    os.environ[constants.ARTIFACT_ROOT_ENV_VAR] = _ARTIFACTS
    os.environ[constants.ARTIFACTS_DESTINATION_ENV_VAR] = mlflow_artifacts()
    os.environ[constants.SERVE_ARTIFACTS_ENV_VAR] = "true"


if __name__ == "__main__":
    main()
