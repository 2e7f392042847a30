"""A corpus of protected works on disk, described once: segments that only grow, searched without reading the works."""
