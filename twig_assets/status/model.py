"""What is said of an installation: plain data, and the sentences of what is wrong with it."""

from collections.abc import Iterator
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

LEAST_FREE = 0.05
"""The share of a disk below which it counts as nearly full."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CampaignStatus(_Said):
    """A campaign.

    Attributes:
        name: Its name.
        problem: Why its files cannot be used; None for most.
        asked: Prompts that are in the catalog.
        released: Prompts of which an image is published.
        waiting: Prompts about which a person has to decide.
        withheld: Prompts that are quarantined, or whose images a person rejected.
        withdrawn: Prompts of which something was published, and nothing is any more.
        to_draw: Prompts whose next image is due.
        lacks: Partition -> what is to be made there: inputs, an edit, the model, or images of a batch.
        edited: Prompts that were changed after they had been drawn, so that they are not drawn again.
        unread: Works that could not be compared and hold releases back.
        inbox: Files that wait in its inbox.
        verdicts: Audits on record, by verdict.
        seconds_per_image: How long a first image took here last; None if none was drawn here.
    """

    name: str
    problem: str | None = None
    asked: int = 0
    released: int = 0
    waiting: int = 0
    withheld: int = 0
    withdrawn: int = 0
    to_draw: int = 0
    lacks: dict[str, str] = {}
    edited: int = 0
    unread: int = 0
    inbox: int = 0
    verdicts: dict[str, int] = {}
    seconds_per_image: float | None = None


class Ticks(_Said):
    """The last tick of a sensor or a schedule.

    Attributes:
        name: Of the sensor or the schedule.
        status: Dagster's word for how it ended: `success`, `skipped`, `failure`, `started`; `none` before the first.
        at: When it began.
        running: Whether it is switched on.
        error: The first line of the error of a tick that failed.
    """

    name: str
    status: str
    at: datetime | None = None
    running: bool = True
    error: str = ""


class DagsterStatus(_Said):
    """What Dagster knows.

    Attributes:
        daemon: Whether its daemon looks for work.
        queued: Runs that wait.
        going_on: Runs that are being worked on.
        failed: Runs that failed within the last day, for another reason than that the gate closed.
        cancelled: Partitions whose newest run somebody cancelled within the last week.
        ticks: The last tick of every sensor and schedule.
    """

    daemon: bool
    queued: int
    going_on: int
    failed: int
    cancelled: tuple[str, ...] = ()
    ticks: tuple[Ticks, ...] = ()


class LedgerStatus(_Said):
    """The newest entry of the ledger: its place, from 1, and its hash."""

    sequence: int
    sha256: str


class Disk(_Said):
    """The disk below a folder, in bytes."""

    what: str
    free: int = Field(ge=0)
    size: int = Field(ge=0)

    @property
    def nearly_full(self) -> bool:
        """Whether less than `LEAST_FREE` of it is left."""
        return self.free < LEAST_FREE * self.size


class InstallationStatus(_Said):
    """An installation.

    Attributes:
        at: When this was so.
        catalog: What is wrong with the catalog; None if it answers and fits.
        campaigns: Those of the folder of campaigns.
        notices: Notifications that no channel has carried yet.
        figures: Records that MLflow has not taken yet.
        ledger: Its head; None while it is empty or cannot be read.
        disks: Under the state folder and, where it is a folder elsewhere, the artifact store.
        dagster: None where nobody asked Dagster, or it has never run here.
        dagster_problem: Why Dagster's records cannot be read; None if they can.
    """

    at: datetime
    catalog: str | None = None
    campaigns: tuple[CampaignStatus, ...] = ()
    notices: int = 0
    figures: int = 0
    ledger: LedgerStatus | None = None
    disks: tuple[Disk, ...] = ()
    dagster: DagsterStatus | None = None
    dagster_problem: str | None = None

    @property
    def troubles(self) -> list[str]:
        """What somebody should see to, a sentence each; prompts that wait for a decision are none."""
        return list(self._troubles())

    def _troubles(self) -> Iterator[str]:
        if self.catalog:
            yield f"the catalog cannot be read: {self.catalog}"
        for campaign in self.campaigns:
            if campaign.problem:
                yield f"campaign {campaign.name}: {campaign.problem}"
            if campaign.unread:
                unread = campaign.unread
                yield f"campaign {campaign.name}: works that could not be compared: {unread}; decide about each"
            if campaign.edited:
                yield (
                    f"campaign {campaign.name}: prompts that were changed after they had been drawn, and are not drawn "
                    f"again: {campaign.edited}; put them back as they were, and the new ones at the end"
                )
            for partition in sorted(campaign.lacks.keys() & set(self.dagster.cancelled if self.dagster else ())):
                yield (
                    f"campaign {campaign.name}: {partition} waits for {campaign.lacks[partition]}: its last run was "
                    f"cancelled; materialize it to continue"
                )
        if self.dagster_problem:
            yield f"Dagster's records cannot be read: {self.dagster_problem}"
        if self.dagster:
            if not self.dagster.daemon:
                yield "Dagster's daemon does not run, so nothing works by itself; `twig ui` starts it"
            if self.dagster.failed:
                yield f"runs that failed within the last day: {self.dagster.failed}; Dagster's page of runs says why"
            for tick in self.dagster.ticks:
                if tick.status == "failure":
                    yield f"the last tick of {tick.name} failed: {tick.error}"
        for disk in self.disks:
            if disk.nearly_full:
                yield f"the disk of {disk.what} is nearly full: {disk.free / 1e9:.1f} GB of {disk.size / 1e9:.1f} left"
