"""The code of a watermark, and how sure it is of what it reads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretBytes

from twig_assets.provenance.watermark import PAYLOAD_BYTES, WatermarkKey
from twig_assets.provenance.watermark.error_correction import LENGTH, KeyedCode, agreement, chance, least_agreement
from twig_assets.provenance.watermark.protocol import FALSE_READINGS

CODE = KeyedCode(WatermarkKey(SecretBytes(b"k" * 32)))
PAYLOADS = st.binary(min_size=PAYLOAD_BYTES, max_size=PAYLOAD_BYTES)


def word_of(payload: bytes, code: KeyedCode = CODE) -> np.ndarray:
    return code.words(np.frombuffer(payload, np.uint8)[None])[0]


@settings(max_examples=15, deadline=None)
@given(PAYLOADS, st.integers(0, 2**32 - 1))
def test_a_third_lost_or_a_tenth_wrong_is_corrected(payload: bytes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lost, wrong = word_of(payload).copy(), word_of(payload).copy()
    lost[rng.permutation(LENGTH)[: LENGTH // 3]] = 0
    wrong[rng.permutation(LENGTH)[: LENGTH // 10]] *= -0.3
    assert CODE.decode(lost) == payload
    assert CODE.decode(wrong) == payload


def test_another_key_has_other_words_for_the_same_payload() -> None:
    other = KeyedCode(WatermarkKey(SecretBytes(b"o" * 32)))
    assert abs(float(word_of(b"123456") @ word_of(b"123456", other))) < LENGTH / 3


def test_chance_meets_its_bound_where_a_reading_begins_to_count() -> None:
    for payloads, hypotheses in ((1, 1), (260, 1296), (2**48, 1296)):
        least = least_agreement(payloads, hypotheses)
        assert chance(least, payloads, hypotheses) == pytest.approx(FALSE_READINGS)
        assert chance(least + 1, payloads, hypotheses) < FALSE_READINGS / 100
    assert chance(-3, 1, 1) == 1


def test_agreement_by_chance_stays_within_the_bound_over_the_choice_of_keys() -> None:
    """The bound is about keys, so one picture's values are compared with the words of many."""
    soft = np.cos(np.arange(LENGTH) ** 1.5)[None]
    keys = (WatermarkKey(SecretBytes(bytes([number]) * 32)) for number in range(200))
    reached = np.array([agreement(soft, word_of(b"123456", KeyedCode(key))[None])[0, 0] for key in keys])
    assert (reached >= 2).mean() <= np.exp(-2)
    assert abs(reached.mean()) < 0.3
    assert reached.std() == pytest.approx(1, abs=0.2)
