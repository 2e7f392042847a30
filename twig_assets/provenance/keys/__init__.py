"""Who signs: test chains, certificates and keys of the user's own, and whether they may sign now."""
