"""A location with one more asset, which a program of its own makes as a job of Ray. Copy both files and change them.

dagster dev --module-name my_location
"""

import os
import shlex
import sys
from pathlib import Path

import dagster as dg
from dagster_ray import PipesRayJobClient

from twig_assets.assets.reference_corpus import reference_corpus
from twig_assets.assets.shared.partitions import all_campaigns
from twig_assets.definitions import build_defs
from twig_assets.resources import CampaignsResource

PROGRAM = Path(__file__).with_name("bring_works.py")


@dg.asset(partitions_def=all_campaigns, group_name="inputs", kinds={"ray"}, description="New works, from WORKS_SOURCE.")
def delivered_works(
    context: dg.AssetExecutionContext, campaigns: CampaignsResource, ray_jobs: PipesRayJobClient
) -> dg.MaterializeResult:
    """Have the program run on the cluster, and take what it reports."""
    references = campaigns.load(context.partition_key).references_folder
    done = ray_jobs.run(
        context=context,
        submit_job_params={"entrypoint": shlex.join([sys.executable, str(PROGRAM)])},
        extras={"source": os.environ["WORKS_SOURCE"], "references": str(references)},
    )
    return done.get_materialize_result()


defs = build_defs(
    assets=[
        delivered_works,
        reference_corpus.map_asset_specs(lambda spec: spec.merge_attributes(deps=[delivered_works])),
    ],
    resources={"ray_jobs": PipesRayJobClient(address=os.environ["TWIG_RAY_JOBS"])},
)
