"""The jobs that sensors and schedules start, and the names of what they are made of."""

import dagster as dg

BATCH_ASSETS = ("prompts", "generated_images", "masks", "regenerated_images", "similarity_audits", "released_images")
AUDITS, RELEASED = "similarity_audits", "released_images"
GATE, COMPLETENESS = "ssim_below_threshold", "every_work_compared"
BATCHES, CONCEPTS, CAMPAIGNS = "prompt_batches", "concepts", "campaigns"

draw_batch = dg.define_asset_job(
    "draw_batch",
    selection=dg.AssetSelection.assets(*BATCH_ASSETS),
    description="A batch from its prompts to its release. What is there already is not made again, so on a batch that "
    "was drawn before it draws the failing images with new seeds and audits what has no verdict.",
)
read_inputs = dg.define_asset_job(
    "read_inputs",
    selection=dg.AssetSelection.assets("protected_concepts", "reference_corpus"),
    description="Reads a campaign's protected concepts and works.",
)
ablate_concept = dg.define_asset_job(
    "ablate_concept",
    selection=dg.AssetSelection.assets("ablated_models"),
    description="Removes one protected concept from the model.",
)
compose_model = dg.define_asset_job(
    "compose_model",
    selection=dg.AssetSelection.assets("composed_model"),
    description="Composes the checkpoint with the accepted edits of a campaign.",
)
read_corpus = dg.define_asset_job(
    "read_corpus",
    selection=dg.AssetSelection.assets("reference_corpus"),
    description="Reads the folder of protected works again.",
)
compliance_audit = dg.define_asset_job(
    "compliance_audit",
    selection=dg.AssetSelection.assets("reference_corpus", "compliance_report"),
    description="Compares everything that is published with the corpus and policy in force and writes a dated report.",
)
