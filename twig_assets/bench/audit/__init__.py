"""Benchmarks of the similarity audit."""
