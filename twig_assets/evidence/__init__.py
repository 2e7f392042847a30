"""What can be shown afterwards: verification, lineage, and what may be thrown away."""
