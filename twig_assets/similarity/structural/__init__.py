"""Structural similarity (SSIM): exact for one pair, fast for all pairs."""
