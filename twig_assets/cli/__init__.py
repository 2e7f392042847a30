"""The command `twig`, one file for each group of commands.

`twig --help` has to come at once: a command imports what it needs when it runs, so that no model library loads before.
"""

from collections.abc import Callable
from typing import Any

from twig_assets.cli import (
    allow,
    audit,
    backups,
    bench,
    campaign,
    desk,
    edit,
    evidence,
    export,
    index,
    keys,
    machine,
    marking,
    models,
    operations,
    status,
)
from twig_assets.cli.app import app, main

__all__ = ["main"]

# In the order in which `twig --help` lists them.
COMMANDS: list[Callable[..., Any]] = [
    campaign.run,
    machine.check,
    machine.doctor,
    campaign.report,
    operations.ui,
    status.status,
    desk.desk,
    models.generate,
    models.ablate,
    campaign.prompts,
    audit.audit,
    audit.review,
    allow.allow,
    audit.calibrate,
    bench.bench,
    marking.mark,
    evidence.verify,
    evidence.lineage,
    evidence.whence,
    operations.track,
    operations.instance,
    operations.gc,
    backups.backup,
    backups.restore,
]
for command in COMMANDS:
    app.command()(command)
app.add_typer(edit.edit_app, name="edit")
app.add_typer(export.export_app, name="export")
app.add_typer(index.index_app, name="index")
app.add_typer(keys.keys_app, name="keys")
app.add_typer(operations.db_app, name="db")
