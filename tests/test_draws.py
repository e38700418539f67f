"""The contract on draws: known answers, an independent Philox, and what the draws mean."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri

import gpustress as gs
from build import entity, examples, small
from gpustress import draws

MASK = 2**64 - 1
WORD = st.integers(0, MASK)
Words = tuple[int, ...]


def philox4x64(counter: Words, key: Words, rounds: int = 10) -> Words:
    """Philox4x64 after Salmon, Moraes, Dror and Shaw (SC11, 2011), in Python's integers."""
    a, b, c, d = counter
    first, second = key
    for _ in range(rounds):
        left, right = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
        a, b, c, d = right >> 64 ^ b ^ first, right & MASK, left >> 64 ^ d ^ second, left & MASK
        first, second = first + 0x9E3779B97F4A7C15 & MASK, second + 0xBB67AE8584CAA73B & MASK
    return a, b, c, d


# Random123's tests/kat_vectors, the lines "philox4x64 10": counter, key, answer.
KNOWN_ANSWERS = [
    (
        "0000000000000000 0000000000000000 0000000000000000 0000000000000000",
        "0000000000000000 0000000000000000",
        "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b",
    ),
    (
        "ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff",
        "ffffffffffffffff ffffffffffffffff",
        "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0",
    ),
    (
        "243f6a8885a308d3 13198a2e03707344 a4093822299f31d0 082efa98ec4e6c89",
        "452821e638d01377 be5466cf34e90c6c",
        "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
    ),
]


def words_of(text: str) -> Words:
    return tuple(int(word, 16) for word in text.split())


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_gives_random123s_known_answers(counter: str, key: str, answer: str) -> None:
    assert philox4x64(words_of(counter), words_of(key)) == words_of(answer)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_numpys_philox_gives_random123s_known_answers_one_counter_earlier(
    counter: str, key: str, answer: str
) -> None:
    """NumPy raises the counter before it draws: the contract's p stands for Random123's p + 1."""
    number = sum(word << 64 * place for place, word in enumerate(words_of(counter)))
    before = (number - 1) % 2**256
    generator = np.random.Philox(
        key=np.array(words_of(key), dtype=np.uint64),
        counter=np.array([before >> 64 * place & MASK for place in range(4)], dtype=np.uint64),
    )
    assert tuple(int(word) for word in generator.random_raw(4)) == words_of(answer)


@examples(100)
@given(
    seed=WORD,
    name=st.text(min_size=1),
    path=st.integers(0, 2**40),
    block=st.integers(0, 9999),
    stream=st.integers(0, 2),
)
def test_words_are_philoxs_at_seed_and_name_path_block_and_stream(
    seed: int, name: str, path: int, block: int, stream: int
) -> None:
    identity = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    assert draws.name_id(name) == identity
    words = draws.words(seed, identity, path, 3, block, stream)
    assert words.shape == (4, 3)
    for place in range(3):
        expected = philox4x64((path + place + 1, block, stream, 0), (seed, identity))
        assert tuple(int(word) for word in words[:, place]) == expected


@pytest.mark.parametrize(("name", "digest"), [("ai_demand", "fb9488fe3fe1aa6e"), ("株", "e1c0f47473de5917")])
def test_a_names_id_is_its_blake2b_read_from_the_little_end(name: str, digest: str) -> None:
    """Digests as `b2sum -l 64` prints them, so that no later version changes what a name draws."""
    assert draws.name_id(name) == int.from_bytes(bytes.fromhex(digest), "little")


@given(word=WORD)
def test_a_uniform_is_the_middle_of_its_cell(word: int) -> None:
    u = float(draws.uniform(np.array([word], dtype=np.uint64))[0])
    assert 0.0 < u < 1.0
    assert u == (2 * (word >> 12) + 1) / 2**53


def test_a_uniform_is_never_0_or_1() -> None:
    ends = draws.uniform(np.array([0, MASK], dtype=np.uint64))
    assert ends.tolist() == [2.0**-53, 1.0 - 2.0**-53]
    assert np.isfinite(ndtri(ends)).all()
    assert 0.0 < -math.log(ends[1]) < -math.log(ends[0]) < 37.0


@examples(50)
@given(seed=WORD, path=st.integers(0, 2**40), periods=st.integers(1, 11), name=st.text(min_size=1))
def test_normals_thresholds_and_jumps_take_the_words_of_the_contract(
    seed: int, path: int, periods: int, name: str
) -> None:
    identity = draws.name_id(name)

    def u(block: int, stream: int, word: int) -> float:
        return ((philox4x64((path + 1, block, stream, 0), (seed, identity))[word] >> 12) + 0.5) * 2.0**-52

    z = draws.normals(seed, identity, path, 1, periods)[:, 0]
    assert z.tolist() == [ndtri(u(t // 4, 0, t % 4)) for t in range(periods)]
    threshold = draws.credit_thresholds(seed, identity, path, 1)[0]
    assert threshold == pytest.approx(-math.log(u(0, 1, 0)), rel=1e-15)
    occurs, size = draws.jumps(seed, identity, path, 1, periods)
    assert occurs[:, 0].tolist() == [u(t // 2, 2, 2 * (t % 2)) for t in range(periods)]
    assert size[:, 0].tolist() == [ndtri(u(t // 2, 2, 2 * (t % 2) + 1)) for t in range(periods)]


@pytest.mark.parametrize("first", [0, 1, 1000, 2**40])
def test_a_path_draws_the_same_whatever_is_drawn_beside_it(first: int) -> None:
    many = draws.normals(7, 8, first, 9, 10)
    for place in (0, 4, 8):
        assert (draws.normals(7, 8, first + place, 1, 10)[:, 0] == many[:, place]).all()
    assert (draws.normals(7, 8, first, 9, 3) == many[:3]).all()  # a longer horizon changes no earlier draw


def test_draws_have_the_moments_and_the_distribution_of_their_laws() -> None:
    paths = 100_000
    z = draws.normals(1, draws.name_id("x"), 0, paths, 6)
    occurs, size = draws.jumps(1, draws.name_id("x"), 0, paths, 6)
    for sample in (z, size):
        assert abs(sample.mean()) < 5 / math.sqrt(sample.size)
        assert abs(sample.var() - 1.0) < 5 * math.sqrt(2 / sample.size)
        assert stats.kstest(sample.ravel(), "norm").pvalue > 1e-4
    assert stats.kstest(occurs.ravel(), "uniform").pvalue > 1e-4
    assert stats.kstest(draws.credit_thresholds(1, 2, 0, paths), "expon").pvalue > 1e-4


def test_draws_of_periods_streams_names_and_seeds_are_uncorrelated() -> None:
    paths = 100_000
    rows = [
        *draws.normals(1, draws.name_id("x"), 0, paths, 6),
        *draws.normals(2, draws.name_id("x"), 0, paths, 2),
    ]
    rows += [
        *draws.normals(1, draws.name_id("y"), 0, paths, 2),
        *draws.jumps(1, draws.name_id("x"), 0, paths, 2)[1],
    ]
    rows.append(draws.credit_thresholds(1, draws.name_id("x"), 0, paths))
    correlation = np.corrcoef(rows) - np.eye(len(rows))
    assert np.abs(correlation).max() < 5 / math.sqrt(paths)


def test_a_backend_draws_what_the_contract_says(backend: str) -> None:
    """A factor without drift shows its normals, a jumping one its jumps, a failure its threshold."""
    seed, paths, periods = 2**64 - 5, 4, 7
    factors = [
        {"name": "walk", "process": "ou", "initial": 0.0, "volatility": 1.0, "reversion": 1e-12},
        {
            "name": "leap",
            "process": "ou",
            "initial": 0.0,
            "reversion": 1e-12,
            "jump_rate": 1.0,
            "jump_volatility": 1.0,
        },
    ]
    made = small(periods=periods, factors=factors, entities=[entity("mortal", hazard=1.0)])
    run = gs.simulate(
        made,
        paths=paths,
        seed=seed,
        backend=backend,
        record=["factor:walk", "factor:leap"],
        effects="first_round",
    )
    for path in range(paths):

        def u(name: str, block: int, stream: int, word: int, path: int = path) -> float:
            key = seed, draws.name_id(name)
            return ((philox4x64((path + 1, block, stream, 0), key)[word] >> 12) + 0.5) * 2.0**-52

        z = [ndtri(u("walk", t // 4, 0, t % 4)) for t in range(periods)]
        np.testing.assert_allclose(run.series["factor:walk"][0, path], np.cumsum(z), rtol=1e-9, atol=1e-9)
        jumps = [
            ndtri(u("leap", t // 2, 2, 2 * (t % 2) + 1))
            * (u("leap", t // 2, 2, 2 * (t % 2)) < 1 - math.exp(-1.0))
            for t in range(periods)
        ]
        np.testing.assert_allclose(run.series["factor:leap"][0, path], np.cumsum(jumps), rtol=1e-9, atol=1e-9)
        # A hazard of 1 a year reaches E in the first period whose end is not before it.
        threshold = -math.log(u("mortal", 0, 1, 0))
        assert run.failed_at[0, path, 0] == min(periods, math.ceil(threshold) - 1)


@examples(50)
@given(seed=WORD, debtor=WORD, creditor=WORD, sample=st.integers(0, 2**32), occasion=st.integers(0, 100))
def test_a_pairs_words_are_those_of_its_two_names_a_sample_and_an_occasion(
    seed: int, debtor: int, creditor: int, sample: int, occasion: int
) -> None:
    names = [np.array([number, 1], dtype=np.uint64) for number in (debtor, creditor)]
    drawn = draws.pair_words(seed, *names, sample, occasion, draws.LINKS)
    for column, (own, other) in enumerate(((debtor, creditor), (1, 1))):
        generator = np.random.Philox(
            key=np.array([seed, own], dtype=np.uint64),
            counter=np.array([sample, other, draws.LINKS, occasion], dtype=np.uint64),
        )
        assert drawn[:, column].tolist() == generator.random_raw(4).tolist()
