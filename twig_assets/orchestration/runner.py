"""Running a whole campaign in this process, the way the Dagster UI and its sensors would run it piece by piece."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from twig_assets.assets.shared.partitions import all_campaigns, concepts, prompt_batches
from twig_assets.campaign import Campaign
from twig_assets.definitions import build_defs
from twig_assets.escaping import text_of
from twig_assets.orchestration.dagster_home import prepare_dagster_home
from twig_assets.prompts import batches, read_concepts, read_prompts
from twig_assets.prompts.partition_keys import concept_key
from twig_assets.resources import CampaignsResource
from twig_assets.resources.progress import listening
from twig_assets.run_launcher.liveness import fail_dead_runs, living
from twig_assets.sensors.jobs import BATCH_ASSETS, COMPLETENESS, GATE


class RunFailedError(RuntimeError):
    """A step failed for another reason than images that copy too much; the message is the step's own."""


@dataclass
class _Bars:
    """A progress bar for everything of which an asset reports how far it is."""

    progress: Progress
    tasks: dict[tuple[str, str, str], TaskID] = field(default_factory=dict)

    def __call__(self, run_id: str, asset: str, done: int, total: int, what: str) -> None:
        key = (run_id, asset, what)
        if key not in self.tasks:
            self.tasks[key] = self.progress.add_task(f"  {asset} ({what})", total=total)
        self.progress.update(self.tasks[key], completed=done)


@dataclass
class CampaignRunner:
    """Materializes a campaign's assets in lineage order; what is there already is not made again.

    Attributes:
        campaign: What to run.
        console: Where progress is shown.
    """

    campaign: Campaign
    console: Console

    def run(self) -> None:
        """Everything from the inputs to the report.

        Raises:
            RunFailedError: If a step fails for another reason than a failed gate.
        """
        prepare_dagster_home()
        keys = [
            key for key, _ in batches(read_prompts(self.campaign.folder), self.campaign.name, self.campaign.batch_size)
        ]
        names = [concept_key(self.campaign.name, row.name) for row in read_concepts(self.campaign.concepts_file)]
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console) as progress, dg.DagsterInstance.get() as instance:
            fail_dead_runs(instance)
            instance.add_dynamic_partitions(str(all_campaigns.name), [self.campaign.name])
            instance.add_dynamic_partitions(str(prompt_batches.name), keys)
            instance.add_dynamic_partitions(str(concepts.name), names)
            campaigns = CampaignsResource(root=str(self.campaign.folder.parent), only=[self.campaign.name])
            location = _Location(build_defs(resources={"campaigns": campaigns}), instance, progress)
            with listening(_Bars(progress)):
                location.materialize(["protected_concepts", "reference_corpus"], self.campaign.name)
                for name in names:
                    location.materialize(["ablated_models"], name)
                location.materialize(["composed_model"], self.campaign.name)
                for key in keys:
                    self._run_batch(location, key)
                location.materialize(["compliance_report"], self.campaign.name)

    def _run_batch(self, location: "_Location", key: str) -> None:
        attempts = self.campaign.max_attempts
        for attempt in range(attempts):
            failed = location.materialize(BATCH_ASSETS, key, note=f"attempt {attempt + 1} of {attempts}")
            if failed is None:
                return
            location.print(f"  {failed}", "yellow")
        raise RunFailedError(f"batch {key} still fails its gate after {attempts} attempts")


@dataclass
class _Location:
    defs: dg.Definitions
    instance: dg.DagsterInstance
    progress: Progress

    def print(self, text: str, style: str = "") -> None:
        self.progress.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def materialize(self, names: Sequence[str], partition: str, note: str = "") -> str | None:
        """Materialize assets in one run.

        Returns:
            The gate's first line if it failed; None if the run succeeded, or if nothing but an incomplete comparison
            kept it from releasing, which is said.
        """
        self.print(f"{', '.join(names)} {partition} {note}".rstrip(), "bold")
        job = self.defs.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection={dg.AssetKey(name) for name in names}
        )
        # Not every part of a step can say how far it is, and none may be silent: opening a model takes long, too.
        working = self.progress.add_task("  at work", total=None)
        run_id = str(uuid.uuid4())
        try:
            with living(run_id) as tags:
                result = job.execute_in_process(
                    instance=self.instance,
                    partition_key=partition,
                    raise_on_error=False,
                    run_id=run_id,
                    tags=tags,
                    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                )
        except dg.DagsterExecutionInterruptedError as error:
            raise KeyboardInterrupt from error
        finally:
            self.progress.remove_task(working)
        if result.success:
            self._report(result)
            return None
        if _interrupted(result):
            raise KeyboardInterrupt
        failed = {e.check_name: _first_line(e) for e in result.get_asset_check_evaluations() if not e.passed}
        if GATE in failed:
            return failed[GATE]
        if COMPLETENESS in failed:
            self._report(result)
            self.print(f"  nothing more is released: {failed[COMPLETENESS]}", "red")
            return None
        raise RunFailedError(_reason(result))

    def _report(self, result: dg.ExecuteInProcessResult) -> None:
        for check in result.get_asset_check_evaluations():
            if not check.passed and check.check_name != COMPLETENESS:
                self.print(f"  {check.check_name}: {text_of(check.description or '')}", "yellow")
        for event in result.get_asset_materialization_events():
            made = event.materialization
            name = made.asset_key.to_user_string()
            if "warning" in made.metadata:
                self.print(f"  {name}: {made.metadata['warning'].value}", "yellow")
            idle = made.metadata.get("model_work") or made.metadata.get("work")
            if idle is not None:
                self.print(f"  {name}: no work; {str(idle.value).removeprefix('none: ')}")


def _first_line(check: dg.AssetCheckEvaluation) -> str:
    return text_of(check.description or "").partition("\n")[0]


def _interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether Ctrl-C ended a step; depending on the moment, Dagster reports that as a step's failure."""
    errors = (e.step_failure_data.error for e in result.all_events if e.is_step_failure)
    names = {cause.cls_name for error in errors if error for cause in (error, error.cause) if cause}
    return bool(names & {dg.DagsterExecutionInterruptedError.__name__, KeyboardInterrupt.__name__})


def _reason(result: dg.ExecuteInProcessResult) -> str:
    """The message of the error that a step raised, without what Dagster wraps around it."""
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error:
            failure = event.step_failure_data.user_failure_data
            if failure and failure.description:
                return f"{event.step_key}: {failure.description}"
            error = event.step_failure_data.error.cause or event.step_failure_data.error
            return f"{event.step_key}: {error.cls_name}: {error.message.partition(': ')[2].strip()}"
    return "the run failed; open it in the Dagster UI for its log"
