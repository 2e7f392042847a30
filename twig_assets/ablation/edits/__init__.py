"""A concept edit: what it is, its file, applying it to a pipeline, merging it with others, exporting it as a LoRA.

An edit knows nothing of how it was made; that is `methods`.
"""
