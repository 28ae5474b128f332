"""Which pictures of past moments are kept, and which go first."""

from __future__ import annotations

from cornerman_gateway.picture_cache import SILENT_S, SPOKEN_S, CachedPicture, PictureCache


def picture(pts_s: float, size: int = 100, run: str = "r") -> CachedPicture:
    return CachedPicture("1-0", run, pts_s, 1000.0 + pts_s, b"x" * size)


def test_moment_is_found_by_millisecond() -> None:
    cache = PictureCache()
    cache.keep("a", 1.25, picture(1.24), spoken=False, now_s=0.0)
    found = cache.at("a", "r", 1.2500001)
    assert found is not None and found.pts_s == 1.24
    assert cache.at("a", "r", 1.26) is None
    assert cache.at("a", "other", 1.25) is None
    assert cache.at("b", "r", 1.25) is None


def test_silent_moments_are_dropped_first() -> None:
    cache = PictureCache(most_bytes=300)
    cache.keep("a", 1, picture(1), spoken=True, now_s=1)
    cache.keep("a", 2, picture(2), spoken=False, now_s=2)
    cache.keep("a", 3, picture(3), spoken=False, now_s=3)
    cache.keep("a", 4, picture(4), spoken=True, now_s=4)
    assert [pts for pts in (1, 2, 3, 4) if cache.at("a", "r", pts)] == [1, 3, 4]
    cache.keep("a", 5, picture(5), spoken=True, now_s=5)
    cache.keep("a", 6, picture(6), spoken=True, now_s=6)
    assert [pts for pts in range(1, 7) if cache.at("a", "r", pts)] == [4, 5, 6]
    assert cache.size_bytes == 300


def test_asked_moment_counts_as_spoken() -> None:
    cache = PictureCache()
    cache.keep("a", 1, picture(1), spoken=False, now_s=0)
    cache.keep("a", 1, picture(1.02), spoken=True, now_s=1)
    cache.keep("a", 1, picture(1.04), spoken=False, now_s=2)
    assert len(cache) == 1 and cache.size_bytes == 100
    cache.sweep(SILENT_S + 10)
    found = cache.at("a", "r", 1)
    assert found is not None and found.pts_s == 1.02
    cache.sweep(SPOKEN_S + 10)
    assert cache.at("a", "r", 1) is None and cache.size_bytes == 0


def test_a_removed_source_is_forgotten() -> None:
    cache = PictureCache()
    for source in ("a", "b"):
        cache.keep(source, 1, picture(1), spoken=True, now_s=0)
        cache.keep(source, 2, picture(2), spoken=False, now_s=0)
    cache.forget("a")
    assert cache.at("a", "r", 1) is None and cache.at("a", "r", 2) is None
    assert cache.at("b", "r", 1) is not None and cache.size_bytes == 200
