"""The assets, one file each, in lineage order. They open what they need, call a plain package, and show the result."""
