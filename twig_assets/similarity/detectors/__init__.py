"""Detectors of copies, one file each: `detector` says what one is, `registry` which ones there are."""
