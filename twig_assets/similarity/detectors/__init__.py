"""Detectors beside SSIM: candidates from global and local descriptors, and a closer look at each."""

from twig_assets.similarity.corpus.index import Embedder, ReferenceIndex
from twig_assets.similarity.detectors.embedders import EmbedderError, embedders_of
from twig_assets.similarity.detectors.evidence import Evidence, gather
from twig_assets.similarity.verdicts.rules import Fired, fired

__all__ = ["Embedder", "EmbedderError", "Evidence", "Fired", "ReferenceIndex", "embedders_of", "fired", "gather"]
