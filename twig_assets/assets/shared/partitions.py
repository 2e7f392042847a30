"""The two dynamic partitions definitions that the assets share."""

import dagster as dg

prompt_batches = dg.DynamicPartitionsDefinition(name="prompt_batches")
concepts = dg.DynamicPartitionsDefinition(name="concepts")
