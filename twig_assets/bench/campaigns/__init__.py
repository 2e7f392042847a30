"""Benchmarks of the location as a whole: they run the assets and sensors, and so know Dagster."""
