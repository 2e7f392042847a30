"""Benchmarks of the embedded models, ablation and regeneration."""
