"""The asset `released_images`: what may be published, signed."""

import dagster as dg

from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.lines import listed
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.assets.shared.thumbnails import gallery
from twig_assets.assets.similarity_audits import similarity_audits
from twig_assets.campaign.rules_in_force import rules_in_force
from twig_assets.compliance.candidates import prompt_states
from twig_assets.compliance.held import held
from twig_assets.compliance.releases import Published, Signed, publish
from twig_assets.provenance.fingerprints import ReleaseIndex, releases_folder
from twig_assets.provenance.releasing import due_files, sign_files
from twig_assets.resources import CampaignsResource, CatalogResource, StoreResource


@dg.asset(
    config_schema={},
    partitions_def=prompt_batches,
    deps=[similarity_audits],
    group_name="release",
    owners=["team:content"],
    kinds={"image"},
    automation_condition=dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed(),
    description="The candidates that passed the audit and show what was asked, and those that a person let through, "
    "each in a file with its credential. A release whose image no longer complies is withdrawn.",
)
@one_run_at_a_time
def released_images(
    context: dg.AssetExecutionContext, campaigns: CampaignsResource, catalog: CatalogResource, store: StoreResource
) -> dg.MaterializeResult:
    """Bring the releases of the batch in line with the verdicts in force and a person's decisions."""
    settings, artifacts = campaigns.of_batch(context.partition_key), store.open()
    with catalog.open().session() as session:
        _, rules = rules_in_force(session, settings)
        due = due_files(session, settings, prompt_states(session, context.partition_key, rules))
    # Keys and servers of time stamps may take their time, and a session is short.
    signed = sign_files(due, artifacts)
    with catalog.open().session() as session:
        _, rules = rules_in_force(session, settings)
        published = publish(session, prompt_states(session, context.partition_key, rules), signed)
        session.flush()
        reasons = held(session, settings.name, published.held, rules)
    with catalog.open().snapshot() as session:
        ReleaseIndex(releases_folder()).add_missing(session, artifacts)
    pictures = [(s.prompt.text, [artifacts.read_image(s.candidate.sha256)]) for s in published.released if s.candidate]
    held_back = listed(f"{state.prompt.text}: {reasons[state.prompt.id].why}" for state in published.held)
    return dg.MaterializeResult(
        metadata={
            **published.headline(),
            "withdrawn": len(published.withdrawn),
            "held_back": len(published.held),
            "held_back_prompts": held_back,
            "signed": len(signed.files),
            **_warning(published, signed),
            "pictures": gallery(pictures),
        }
    )


def _warning(published: Published, signed: Signed) -> dict[str, str]:
    """What the runner and the page tell a person: images that could not be signed, and doubts about the certificate."""
    warnings = list(signed.warnings) if signed.files else []
    if signed.refused:
        reasons = "; ".join(sorted(set(signed.refused.values()))[:3])
        outcome = f"{len(published.unsigned)} not released for it" if published.unsigned else "released all the same"
        warnings.insert(0, f"{len(signed.refused)} images cannot be signed, {outcome}: {reasons}")
    return {"warning": "; ".join(warnings)} if warnings else {}
