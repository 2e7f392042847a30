"""The dynamic partitions definitions that the assets share; every key begins with the name of its campaign."""

import dagster as dg

all_campaigns = dg.DynamicPartitionsDefinition(name="campaigns")
concepts = dg.DynamicPartitionsDefinition(name="concepts")
prompt_batches = dg.DynamicPartitionsDefinition(name="prompt_batches")
