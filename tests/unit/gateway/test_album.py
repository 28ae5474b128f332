"""Which pictures of past moments are kept, and which go first."""

from __future__ import annotations

from cornerman_gateway.picture_cache import SILENT_S, SPOKEN_S, CachedPicture, PictureCache


def picture(pts_s: float, size: int = 100, run: str = "r") -> CachedPicture:
    return CachedPicture("1-0", run, pts_s, 1000.0 + pts_s, b"x" * size)


def test_a_moment_is_found_to_the_millisecond_and_only_in_its_run_and_source() -> None:
    album = PictureCache()
    album.keep("a", 1.25, picture(1.24), spoken=False, now_s=0.0)
    found = album.at("a", "r", 1.2500001)
    assert found is not None and found.pts_s == 1.24
    assert album.at("a", "r", 1.26) is None
    assert album.at("a", "other", 1.25) is None
    assert album.at("b", "r", 1.25) is None


def test_silent_moments_go_before_spoken_ones_and_old_before_new() -> None:
    album = PictureCache(most_bytes=300)
    album.keep("a", 1, picture(1), spoken=True, now_s=1)
    album.keep("a", 2, picture(2), spoken=False, now_s=2)
    album.keep("a", 3, picture(3), spoken=False, now_s=3)
    album.keep("a", 4, picture(4), spoken=True, now_s=4)
    assert [pts for pts in (1, 2, 3, 4) if album.at("a", "r", pts)] == [1, 3, 4]
    album.keep("a", 5, picture(5), spoken=True, now_s=5)
    album.keep("a", 6, picture(6), spoken=True, now_s=6)
    assert [pts for pts in range(1, 7) if album.at("a", "r", pts)] == [4, 5, 6]
    assert album.size_bytes == 300


def test_a_silent_moment_that_is_asked_about_counts_as_spoken() -> None:
    album = PictureCache()
    album.keep("a", 1, picture(1), spoken=False, now_s=0)
    album.keep("a", 1, picture(1.02), spoken=True, now_s=1)
    album.keep("a", 1, picture(1.04), spoken=False, now_s=2)
    assert len(album) == 1 and album.size_bytes == 100
    album.sweep(SILENT_S + 10)
    found = album.at("a", "r", 1)
    assert found is not None and found.pts_s == 1.02
    album.sweep(SPOKEN_S + 10)
    assert album.at("a", "r", 1) is None and album.size_bytes == 0


def test_a_removed_source_is_forgotten() -> None:
    album = PictureCache()
    for source in ("a", "b"):
        album.keep(source, 1, picture(1), spoken=True, now_s=0)
        album.keep(source, 2, picture(2), spoken=False, now_s=0)
    album.forget("a")
    assert album.at("a", "r", 1) is None and album.at("a", "r", 2) is None
    assert album.at("b", "r", 1) is not None and album.size_bytes == 200
