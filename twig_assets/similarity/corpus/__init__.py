"""The protected works: finding and decoding their files, and the index that detectors search."""
