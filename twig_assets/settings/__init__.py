"""The settings of every step that has a model. They import none of it, so that reading a campaign loads no torch."""
