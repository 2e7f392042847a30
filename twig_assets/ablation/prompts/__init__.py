"""The prompts that a concept edit is made from."""
