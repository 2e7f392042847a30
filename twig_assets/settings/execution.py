"""Where Dagster's runs and their steps are executed, and how many at the same time: one setting for all of it."""

import os
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from twig_assets.settings.engines import usable_cores
from twig_assets.settings.home import SettingError

Execution = Literal["in_process", "multiprocess", "ray", "k8s"]

VARIABLES = {
    "execution": "TWIG_EXECUTION",
    "steps": "TWIG_STEPS",
    "runs": "TWIG_RUNS",
    "gpu_slots": "TWIG_GPU_SLOTS",
    "cpu_slots": "TWIG_CPU_SLOTS",
    "dagster_url": "TWIG_DAGSTER_URL",
    "ray_jobs": "TWIG_RAY_JOBS",
    "ray_run_cpus": "TWIG_RAY_RUN_CPUS",
    "ray_run_gpus": "TWIG_RAY_RUN_GPUS",
    "k8s_image": "TWIG_K8S_IMAGE",
    "k8s_namespace": "TWIG_K8S_NAMESPACE",
    "k8s_service_account": "TWIG_K8S_SERVICE_ACCOUNT",
    "k8s_settings": "TWIG_K8S_SETTINGS",
    "k8s_secrets": "TWIG_K8S_SECRETS",
    "k8s_instance": "TWIG_K8S_INSTANCE",
    "k8s_state": "TWIG_K8S_STATE",
    "k8s_run_gpus": "TWIG_K8S_RUN_GPUS",
}
"""Field of ExecutionSettings -> the environment variable that sets it."""


class ExecutionSettings(BaseModel):
    """Where runs and steps are executed. What is made has the same bytes whatever is chosen here.

    Attributes:
        execution: `in_process`: a process of its own for each run, one run at a time. `multiprocess`: several runs at
            the same time on this machine, each step in a process of its own. `ray`: each run is a job of a Ray cluster.
            `k8s`: each run is a job of a Kubernetes cluster.
        steps: The same choice for the steps of a run. None means `multiprocess` for that, and for all others
            `in_process`: in the process of the run, which opens each model once. Another process for every step costs
            its start and its models each time.
        runs: How many runs at the same time. None means one, or as many as this machine has cores for `multiprocess`,
            or eight for `ray` and `k8s`, whose clusters let those wait that they have no room for.
        gpu_slots: How many steps that draw, segment or train may work at the same time, of all runs together; None
            sets no limit. With one GPU that all share, 1.
        cpu_slots: The same for the steps that compare images and read works.
        dagster_url: PostgreSQL database of Dagster's runs and events, such as
            `postgresql+psycopg2://user:password@host/name`; None keeps them in files of the state folder.
        ray_jobs: Where the Ray cluster takes jobs: `http://HOST:8265`, its dashboard.
        ray_run_cpus: Cores that Ray keeps free for a run itself, without what it computes as tasks. It mostly waits for
            those, so a small share is enough; runs that together hold all cores leave none for their tasks, and hang.
            With 0, all runs are executed on the cluster's head.
        ray_run_gpus: GPUs that Ray gives a run, to draw and train with.
        k8s_image: The image of the run's container, which is this project's.
        k8s_namespace: Where the runs' jobs are made.
        k8s_service_account: Whose rights the runs have.
        k8s_settings: Name of the ConfigMap with the environment variables of all containers.
        k8s_secrets: Name of the Secret with those of them that hold passwords.
        k8s_instance: Name of the ConfigMap with the `dagster.yaml`.
        k8s_state: Name of the volume's claim for the state folder and the campaigns.
        k8s_run_gpus: GPUs that a run's container asks for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    execution: Execution = "in_process"
    steps: Execution | None = None
    runs: int | None = Field(default=None, ge=1)
    gpu_slots: int | None = Field(default=None, ge=1, le=1000)
    cpu_slots: int | None = Field(default=None, ge=1, le=1000)
    dagster_url: SecretStr | None = None
    ray_jobs: str | None = None
    ray_run_cpus: float = Field(default=0.1, ge=0)
    ray_run_gpus: int = Field(default=0, ge=0)
    k8s_image: str | None = None
    k8s_namespace: str = "default"
    k8s_service_account: str = "twig"
    k8s_settings: str = "twig-settings"
    k8s_secrets: str = "twig-secrets"
    k8s_instance: str = "twig-instance"
    k8s_state: str = "twig-state"
    k8s_run_gpus: int = Field(default=0, ge=0)

    @field_validator("dagster_url")
    @classmethod
    def _of_dagster(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        try:
            driver = make_url(url.get_secret_value()).drivername
        except ArgumentError:
            raise ValueError("it is not a URL; write postgresql+psycopg2://USER:PASSWORD@HOST/NAME") from None
        if driver != "postgresql+psycopg2":
            raise ValueError(f"Dagster cannot use {driver}://; write postgresql+psycopg2://USER:PASSWORD@HOST/NAME")
        return url

    @model_validator(mode="after")
    def _complete(self) -> Self:
        used = {self.execution, self.of_steps}
        if "ray" in used and self.ray_jobs is None:
            raise ValueError("ray needs the address that takes jobs: set TWIG_RAY_JOBS to http://HOST:8265")
        if "k8s" in used and self.k8s_image is None:
            raise ValueError("k8s needs the image of the runs: set TWIG_K8S_IMAGE")
        if used & {"ray", "k8s"} and self.dagster_url is None:
            raise ValueError(
                f"{' and '.join(sorted(used))} runs on other machines, which have to reach Dagster's database: set "
                "TWIG_DAGSTER_URL to postgresql+psycopg2://USER:PASSWORD@HOST/NAME"
            )
        if self.of_steps == "k8s" and self.execution != "k8s":
            raise ValueError("steps can be jobs of Kubernetes only where runs are: set TWIG_EXECUTION to k8s")
        return self

    @property
    def of_steps(self) -> Execution:
        """Where the steps of a run are executed."""
        return self.steps or ("multiprocess" if self.execution == "multiprocess" else "in_process")

    @property
    def runs_at_once(self) -> int:
        """How many runs at the same time."""
        automatic = {"in_process": 1, "multiprocess": usable_cores(), "ray": 8, "k8s": 8}
        return self.runs or automatic[self.execution]

    @property
    def pools(self) -> dict[str, int | None]:
        """Name of each concurrency pool -> its slots; None for no limit."""
        return {"gpu": self.gpu_slots, "cpu": self.cpu_slots}


def execution_settings() -> ExecutionSettings:
    """What the environment variables in VARIABLES say.

    Raises:
        SettingError: If one of them cannot be used; no password is in the message.
    """
    given: dict[str, Any] = {field: value for field, name in VARIABLES.items() if (value := os.environ.get(name))}
    try:
        return ExecutionSettings.model_validate(given)
    except ValidationError as error:
        raise SettingError("; ".join(_reason(details) for details in error.errors(include_input=False))) from None


def _reason(details: Any) -> str:
    field = str(details["loc"][0]) if details["loc"] else ""
    return f"{VARIABLES.get(field, 'TWIG_EXECUTION')}: {details['msg'].removeprefix('Value error, ')}"
