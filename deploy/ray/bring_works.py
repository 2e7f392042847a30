"""Brings new works from a folder into a campaign's `references/`. It runs as a job of Ray; see docs/deploy.md.

It knows nothing of twig-assets: any program that has `dagster-pipes` can report to Dagster like this.
"""

import shutil
from pathlib import Path

from dagster_pipes import open_dagster_pipes

with open_dagster_pipes() as pipes:
    source, references = Path(pipes.get_extra("source")), Path(pipes.get_extra("references"))
    new = [work for work in sorted(source.iterdir()) if work.is_file() and not (references / work.name).exists()]
    for work in new:
        # Under another name first, since a sensor may look at the folder meanwhile.
        partial = shutil.copy(work, references / f".{work.name}.partial")
        Path(partial).replace(references / work.name)
    pipes.report_asset_materialization(metadata={"new_works": len(new), "names": [work.name for work in new]})
