"""Executors of a run's steps, each of which lets everybody see meanwhile that the run is alive."""

from collections.abc import Iterator

import dagster as dg
from dagster._core.events import DagsterEvent
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig

from twig_assets.run_launcher.liveness import living
from twig_assets.settings.execution import ExecutionSettings


def executor_of(settings: ExecutionSettings) -> dg.ExecutorDefinition:
    """The executor that settings name for steps.

    Raises:
        ModuleNotFoundError: If it needs an extra that is not installed.
    """
    return seen_alive(_definition(settings))


def seen_alive(definition: dg.ExecutorDefinition) -> dg.ExecutorDefinition:
    """An executor whose runs have a claim on their own id while it executes them."""
    return dg.ExecutorDefinition(
        name=definition.name,
        config_schema=definition.config_schema,  # type: ignore[arg-type]  # Dagster's own type for it is too narrow
        requirements=definition._requirements_fn,
        executor_creation_fn=lambda context: _SeenAlive(definition.executor_creation_fn(context)),  # type: ignore[misc]
        description=definition.description,
    )


def _definition(settings: ExecutionSettings) -> dg.ExecutorDefinition:
    if settings.of_steps == "multiprocess":
        return dg.multiprocess_executor.configured({"max_concurrent": settings.runs_at_once}, name="multiprocess")
    if settings.of_steps == "ray":
        from dagster_ray import ray_executor

        return ray_executor.configured({"ray": {"address": settings.ray_jobs}}, name="ray")
    if settings.of_steps == "k8s":
        from dagster_k8s import k8s_job_executor

        return k8s_job_executor
    return dg.in_process_executor


class _SeenAlive(dg.Executor):
    """Executes as another executor does, while the run has its claim."""

    def __init__(self, executor: dg.Executor) -> None:
        self._executor = executor

    @property
    def retries(self) -> RetryMode:
        """Those of the executor."""
        return self._executor.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        """That of the executor."""
        return self._executor.step_dependency_config

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        """Execute the steps."""
        with living(plan_context.run_id) as tags:
            plan_context.instance.add_run_tags(plan_context.run_id, tags)
            yield from self._executor.execute(plan_context, execution_plan)
