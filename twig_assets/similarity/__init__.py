"""How alike a picture is to protected works: structural similarity, a corpus of references, a policy and an audit."""

from twig_assets.similarity.audit import audit
from twig_assets.similarity.corpus.index import ReferenceIndex
from twig_assets.similarity.corpus.references import (
    CorpusError,
    EmptyCorpusError,
    ReferenceImage,
    Unreadable,
    corpus_version,
    read_references,
)
from twig_assets.similarity.detectors.detector import Detector
from twig_assets.similarity.detectors.registry import opened_sources
from twig_assets.similarity.orientations import ORIENTATIONS
from twig_assets.similarity.result import AuditResult, Match
from twig_assets.similarity.structural.pixel_file import PixelFile, PixelFileError, append_pictures
from twig_assets.similarity.structural.scan import Pair, ssim_above, ssim_all_pairs
from twig_assets.similarity.structural.ssim import ssim_map, wang_ssim
from twig_assets.similarity.verdicts.calibrate import Calibration, CalibrationError, calibrate
from twig_assets.similarity.verdicts.planted_recall import PlantedRecall, planted_recall
from twig_assets.similarity.verdicts.policy import (
    Policy,
    PolicyError,
    read_part,
    read_policy,
)
from twig_assets.similarity.verdicts.rule import SEVERITY, Limit, Verdict, detector_scores, is_behind, limits, severity
from twig_assets.similarity.verdicts.stored import StoredVerdict, verdict_of_scores

__all__ = [
    "ORIENTATIONS",
    "SEVERITY",
    "AuditResult",
    "Calibration",
    "CalibrationError",
    "CorpusError",
    "Detector",
    "EmptyCorpusError",
    "Limit",
    "Match",
    "Pair",
    "PixelFile",
    "PixelFileError",
    "PlantedRecall",
    "Policy",
    "PolicyError",
    "ReferenceImage",
    "ReferenceIndex",
    "StoredVerdict",
    "Unreadable",
    "Verdict",
    "append_pictures",
    "audit",
    "calibrate",
    "corpus_version",
    "detector_scores",
    "is_behind",
    "limits",
    "opened_sources",
    "planted_recall",
    "read_part",
    "read_policy",
    "read_references",
    "severity",
    "ssim_above",
    "ssim_all_pairs",
    "ssim_map",
    "verdict_of_scores",
    "wang_ssim",
]
