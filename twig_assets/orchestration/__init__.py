"""Running a campaign in one process, Dagster's instance, and the servers of `twig ui`."""
