"""48 bits as 256, so that any third of them may be lost or a sixth be wrong, and how sure a decoded payload is.

The code is a linear one whose generator is drawn from the key; random linear codes reach the Gilbert-Varshamov bound,
and whoever lacks the key cannot decode. It is decoded from soft values by ordered statistics, which is close to the
best that can be done at this length; Reed-Solomon and BCH codes of the same rate, decoded from hard bits, stand half as
many wrong ones.

Source: Fossorier and Lin, "Soft-decision decoding of linear block codes based on ordered statistics", IEEE Transactions
on Information Theory 41(5), 1995; order 2.
"""

from functools import cached_property
from itertools import combinations

import numpy as np

from twig_assets.provenance.watermark.key import WatermarkKey
from twig_assets.provenance.watermark.protocol import FALSE_READINGS, PAYLOAD_BYTES

LENGTH = 256
_BITS = 8 * PAYLOAD_BYTES


class KeyedCode:
    """The code of a key."""

    def __init__(self, key: WatermarkKey, length: int = LENGTH) -> None:
        """Draw the generator and the mask of a code of some length in bits."""
        parity = length - _BITS
        drawn = np.unpackbits(np.frombuffer(key.stream("generator", _BITS * parity // 8), np.uint8))
        self._generator = np.concatenate([np.eye(_BITS, dtype=np.uint8), drawn.reshape(_BITS, parity)], axis=1)
        self._mask = np.unpackbits(np.frombuffer(key.stream("mask", -(-length // 8)), np.uint8))[:length]

    def words(self, payloads: np.ndarray) -> np.ndarray:
        """The code words of payloads.

        Args:
            payloads: uint8 (n, PAYLOAD_BYTES).

        Returns:
            float32 (n, length): 1 for a bit 0, -1 for a bit 1.
        """
        bits = np.unpackbits(payloads, axis=1).astype(np.float32)
        words = (bits @ self._generator.astype(np.float32)).astype(np.int64) & 1
        return (1.0 - 2.0 * (words ^ self._mask)).astype(np.float32)

    def decode(self, soft: np.ndarray) -> bytes:
        """The payload whose word agrees best with soft values, as far as order 2 finds it.

        Args:
            soft: float (length,), positive for a bit 0, negative for a bit 1, 0 where nothing is known.
        """
        unmasked = soft * (1.0 - 2.0 * self._mask)
        order = np.argsort(-np.abs(unmasked), kind="stable")
        reduced, pivots = _reduced(self._generator[:, order])
        hard = (unmasked[order] < 0).astype(np.uint8)
        words = ((hard[pivots] @ reduced) & 1) ^ ((self._flips @ reduced) & 1)
        best = int(((1.0 - 2.0 * words) @ unmasked[order]).argmax())
        word = np.empty(len(soft), np.uint8)
        word[order] = words[best]
        return np.packbits(word[:_BITS]).tobytes()

    @cached_property
    def _flips(self) -> np.ndarray:
        """All ways in which at most two of the most reliable bits are wrong."""
        chosen = [(), *((i,) for i in range(_BITS)), *combinations(range(_BITS), 2)]
        flips = np.zeros((len(chosen), _BITS), np.uint8)
        for row, bits in enumerate(chosen):
            flips[row, list(bits)] = 1
        return flips


def agreement(soft: np.ndarray, words: np.ndarray) -> np.ndarray:
    """How well soft values agree with code words, in standard deviations of chance.

    Args:
        soft: float (h, length).
        words: float (n, length) of 1 and -1.

    Returns:
        float (h, n).
    """
    norms = np.sqrt((soft * soft).sum(axis=1, keepdims=True))
    return np.asarray(soft @ words.T / np.maximum(norms, 1e-9))


def chance(agreement: float, payloads: int, hypotheses: int) -> float:
    """The probability, at most, that a picture without the mark agrees so well with any of the payloads.

    The mask is drawn from the key, so to each payload belongs a word of independent fair signs; a weighted sum of these
    exceeds t standard deviations with a probability of at most exp(-t^2 / 2) (Hoeffding's inequality), whatever the
    picture. That is added up over all payloads and all hypotheses of how the picture was changed.

    Args:
        agreement: See `agreement`.
        payloads: How many payloads were possible, 1 or more.
        hypotheses: How many hypotheses were tried, 1 or more.
    """
    return float(min(1.0, np.exp(np.log(payloads) + np.log(hypotheses) - max(agreement, 0.0) ** 2 / 2)))


def least_agreement(payloads: int, hypotheses: int) -> float:
    """From which agreement on `chance` is at most FALSE_READINGS."""
    return float(np.sqrt(2 * (np.log(payloads) + np.log(hypotheses) - np.log(FALSE_READINGS))))


def _reduced(generator: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """A generator brought to reduced echelon form over GF(2), and its pivots: the first independent columns."""
    rows, pivots, row = generator.copy(), [], 0
    for column in range(rows.shape[1]):
        below = np.flatnonzero(rows[row:, column])
        if len(below) == 0:
            continue
        rows[[row, row + below[0]]] = rows[[row + below[0], row]]
        others = rows[:, column] == 1
        others[row] = False
        rows[others] ^= rows[row]
        pivots.append(column)
        row += 1
        if row == len(rows):
            break
    return rows, pivots
