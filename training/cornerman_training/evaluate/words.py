"""Similarity of sentences (ROUGE-L, METEOR), and the mistake that a sentence is about. Pure.

ROUGE-L is the F1 of the longest common subsequence of lower-case words (Lin 2004, beta 1). METEOR follows Banerjee
and Lavie (2005): unigram matches, exact and then by stem (suffix stripping; no WordNet synonyms), recall weighted
9 : 1, and the penalty 0.5 (chunks / matches)^3.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_ENDINGS = ("ingly", "edly", "ing", "ed", "es", "s", "ly", "er", "en")


def words(text: str) -> list[str]:
    """Lower-case words and numbers."""
    return _WORD.findall(text.lower())


def rouge_l(candidate: str, reference: str) -> float:
    """F1 of the longest common subsequence, 0..1."""
    a, b = words(candidate), words(reference)
    if not a or not b:
        return 0.0
    row = [0] * (len(b) + 1)
    for x in a:
        diagonal = 0
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], diagonal + 1 if x == y else max(row[j], row[j - 1])
    common = row[-1]
    return 2 * common / (len(a) + len(b))


def stem(word: str) -> str:
    """The word without a common ending, at least three letters long."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def meteor(candidate: str, reference: str) -> float:
    """METEOR with exact and stem matching, 0..1."""
    a, b = words(candidate), words(reference)
    pairs: dict[int, int] = {}
    for key in (lambda w: w, stem):  # exact matches first, then stems
        free = [j for j in range(len(b)) if j not in pairs.values()]
        for i, word in enumerate(a):
            if i in pairs:
                continue
            follows = pairs.get(i - 1, -2) + 1
            options = [j for j in free if key(b[j]) == key(word)]
            if options:
                j = follows if follows in options else options[0]
                pairs[i] = j
                free.remove(j)
    matches = len(pairs)
    if matches == 0:
        return 0.0
    precision, recall = matches / len(a), matches / len(b)
    mean = 10 * precision * recall / (recall + 9 * precision)
    ordered = sorted(pairs.items())
    chunks = 1 + sum(1 for (i, j), (k, m) in pairwise(ordered) if k != i + 1 or m != j + 1)
    return mean * (1 - 0.5 * (chunks / matches) ** 3)


class MeaningOf:
    """Classifies a sentence (exercise and mistake, or praise) by its nearest known sentence.

    Args:
        known: sentence -> meaning. Similarity is the cosine of stem counts weighted by rarity.
        least: similarity below which the meaning is unknown.
    """

    def __init__(self, known: Mapping[str, tuple[str, str]], least: float = 0.3) -> None:
        if not known:
            raise ValueError("no known sentences: pass at least one sentence with its meaning")
        self._least = least
        self._known = [(Counter(stem(w) for w in words(text)), meaning) for text, meaning in known.items()]
        seen = Counter(w for counts, _ in self._known for w in counts)
        self._rarity = {w: math.log(1 + len(self._known) / n) for w, n in seen.items()}

    def __call__(self, text: str) -> tuple[str, str] | None:
        """The meaning; None if no known sentence is similar enough."""
        counts = Counter(stem(w) for w in words(text))
        best, found = self._least, None
        for other, meaning in self._known:
            score = self._cosine(counts, other)
            if score > best:
                best, found = score, meaning
        return found

    def _cosine(self, a: Counter[str], b: Counter[str]) -> float:
        def norm(c: Counter[str]) -> float:
            return math.sqrt(sum((n * self._rarity.get(w, 3.0)) ** 2 for w, n in c.items()))

        dot = sum(n * b[w] * self._rarity.get(w, 3.0) ** 2 for w, n in a.items() if w in b)
        return dot / max(norm(a) * norm(b), 1e-9)


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; 0 without values."""
    return sum(values) / len(values) if values else 0.0
