"""What several assets need and Dagster is part of: partitions, claims, thumbnails, mask rows."""
