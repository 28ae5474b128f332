"""A hundred mutated files; `python -m tests.media_fuzz` tries two thousand."""

from __future__ import annotations

import random

from tests.media_fuzz import MUTATIONS, fuzz, mutated

SEED = 16


def test_mutated_files_are_survived() -> None:
    tally = fuzz(100, SEED)
    assert tally.failures == []
    assert tally.files == 100 and tally.read > 20


def test_seed_makes_the_same_files() -> None:
    data = bytes(range(256)) * 10
    for seed in range(50):
        assert mutated(data, random.Random(seed)) == mutated(data, random.Random(seed))


def test_every_mutation_changes_something() -> None:
    data = bytes(range(256)) * 10 + b"....moov...."
    for mutation in MUTATIONS:
        assert any(mutation(bytearray(data), random.Random(seed)) != data for seed in range(5))
