"""What a detector is: a way to describe pictures, a score of two descriptions, and the threshold that decides."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

Direction = Literal[">=", "<="]
Search = Literal["cosine", "bits", "local features"]
Scores = Mapping[str, float | None]


class PolicyField(NamedTuple):
    """The field of a policy that holds a detector's threshold.

    Attributes:
        name: Its name, which also names it in stored audits and tables.
        type: An annotated int or float whose bounds pydantic checks; None, in a policy, turns the detector off.
    """

    name: str
    type: Any


class Source(Protocol):
    """A way to describe pictures by which the works nearest to an image can be found.

    Attributes:
        descriptor: Names the description. Detectors that share a description name the same, and it is made once.
        search: How works are found by it: `cosine` for vectors of unit length, `bits` for bytes of which differing
            bits count, `local features` for `Features`; None for a detector that only looks at the works which others
            propose.
    """

    descriptor: str
    search: Search | None

    @abstractmethod
    def describe(self, picture: np.ndarray) -> Any:
        """Describe a protected work.

        Args:
            picture: uint8 array of shape (h, w, 3) of any size.
        """

    def describe_image(self, picture: np.ndarray) -> Any:
        """Describe an audited image, such as in eight orientations; as a work is described, by default."""
        return self.describe(picture)

    @property
    def identity(self) -> str | None:
        """What the descriptions depend on besides library versions; None if they cannot be kept between runs."""
        return self.descriptor

    def arrays(self, description: Any) -> dict[str, np.ndarray]:
        """A description of a work as arrays to be kept in a file."""
        return {"": description}

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """The description that `arrays` took apart."""
        return arrays[""]


class Detector(Source, Protocol):
    """A source that also compares an image with a work, and takes it for a copy from a threshold on.

    To add one, write a class like this in a file of its own and name it in `registry`. Its score then shows in
    verdicts, tables, gallery, report, calibration, re-judging and the benchmark `detectors`. Until a policy names its
    threshold it fails no image, and policies that do not name it keep their hash.

    Attributes:
        name: What it is called where an image says which detectors triggered.
        title: What it is called above a column, for a person.
        score: Key of its score in audits, matches and tables.
        unit: What the score counts.
        direction: `>=` when a higher score is nearer to a copy, `<=` when a lower one is.
        field: The policy field of its threshold.
        agrees: From which share of its threshold on it agrees with SSIM that a picture is a copy, above 0 and at most
            1; of one whose lower scores are nearer, the threshold is divided by it.
    """

    name: str
    title: str
    score: str
    unit: str
    direction: Direction
    field: PolicyField
    agrees: float = 0.85

    @abstractmethod
    def compare(self, image: Any, reference: Any) -> float | None:
        """Score an image beside a work.

        Args:
            image: What `describe_image` gave.
            reference: What `describe` gave.

        Returns:
            The score; None where there is none.
        """

    @abstractmethod
    def sentence(self, scores: Scores, threshold: float) -> str:
        """Say to a person that the threshold was reached.

        Args:
            scores: All scores of the image beside the work.
            threshold: The policy's.
        """

    def opened(self, policy: Mapping[str, Any]) -> "Detector | None":
        """The detector ready for use; None when the policy does not give what it needs, such as a model's file.

        Args:
            policy: Field -> value.
        """
        return self
