"""What several assets need and Dagster is part of: partitions, the batch of a run, failures, claims, thumbnails."""
