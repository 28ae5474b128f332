"""Muxers of the tests' own, that write as tools other than FFmpeg do."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

from tests.unit.media.films import Sample, box, full

SCALE = 90_000
MATRIX = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
TURNED = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
"""As a phone held upright writes it."""


def ticks(seconds: float) -> int:
    return round(seconds * SCALE)


def moov(
    avcc: bytes,
    size: tuple[int, int],
    samples: Sequence[Sample],
    offset: int,
    *,
    edits: Sequence[tuple[float, float]] = (),
    matrix: bytes = MATRIX,
    fragmented: bool = False,
    last_s: float = 1 / 30,
) -> bytes:
    """A `moov` of one H.264 track; edits are (duration_s, media_time_s), media_time_s < 0 = an empty edit."""
    steps = [ticks(b.dts_s) - ticks(a.dts_s) for a, b in pairwise(samples)] + [ticks(last_s)]
    total = 0 if fragmented else sum(steps)
    shown = ticks(sum(duration_s for duration_s, _ in edits)) if edits else total
    table = [] if fragmented else _table(samples, steps, offset)
    if fragmented:
        table = [full(kind, 0, 0, struct.pack(">I", 0)) for kind in (b"stts", b"stsc", b"stco")]
        table.append(full(b"stsz", 0, 0, struct.pack(">II", 0, 0)))
    entry = box(
        b"avc1",
        struct.pack(">6xH16xHHII4xH32xHh", 1, *size, 72 << 16, 72 << 16, 1, 24, -1),
        box(b"avcC", avcc),
    )
    stbl = box(b"stbl", full(b"stsd", 0, 0, struct.pack(">I", 1), entry), *table)
    dinf = box(b"dinf", full(b"dref", 0, 0, struct.pack(">I", 1), full(b"url ", 0, 1)))
    minf = box(b"minf", full(b"vmhd", 0, 1, bytes(8)), dinf, stbl)
    hdlr = full(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"vide"), b"VideoHandler\0")
    mdhd = full(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, SCALE, total, 0x55C4, 0))
    tkhd = full(
        b"tkhd",
        0,
        7,
        struct.pack(">IIIII8xHHHH", 0, 0, 1, 0, shown, 0, 0, 0, 0),
        matrix,
        struct.pack(">II", size[0] << 16, size[1] << 16),
    )
    elst = box(
        b"edts",
        full(
            b"elst",
            0,
            0,
            struct.pack(">I", len(edits)),
            *(struct.pack(">IiI", ticks(d), -1 if m < 0 else ticks(m), 1 << 16) for d, m in edits),
        ),
    )
    trak = box(b"trak", tkhd, elst if edits else b"", box(b"mdia", mdhd, hdlr, minf))
    mvhd = full(
        b"mvhd",
        0,
        0,
        struct.pack(">IIII", 0, 0, SCALE, shown),
        struct.pack(">IH10x", 1 << 16, 256),
        MATRIX,
        bytes(24),
        struct.pack(">I", 2),
    )
    mvex = box(b"mvex", full(b"trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0))) if fragmented else b""
    return box(b"moov", mvhd, trak, mvex)


def progressive(avcc: bytes, size: tuple[int, int], samples: Sequence[Sample], **more: object) -> bytes:
    """A camera's film: `mdat` first, after a `wide`, and `moov` behind it (QuickTime)."""
    head = box(b"ftyp", b"qt  ", struct.pack(">I", 0x20050300), b"qt  ") + box(b"wide")
    media = b"".join(sample.data for sample in samples)
    return head + box(b"mdat", media) + moov(avcc, size, samples, len(head) + 8, **more)  # type: ignore[arg-type]


def fragments(avcc: bytes, size: tuple[int, int], samples: Sequence[Sample], each: int) -> bytes:
    """As MP4Box -dash writes: `styp` + `sidx` + `moof` + `mdat` for each piece, default-base-is-moof, no `mfra`."""
    out = box(b"ftyp", b"iso5", struct.pack(">I", 1), b"iso5dash") + moov(avcc, size, samples, 0, fragmented=True)
    for number, at in enumerate(range(0, len(samples), each), 1):
        piece = samples[at : at + each]
        following = [ticks(sample.dts_s) for sample in samples[at + 1 : at + each + 1]]
        if len(following) < len(piece):
            following.append(ticks(piece[-1].dts_s) + 3000)
        rows = [
            struct.pack(
                ">IIIi",
                end - ticks(sample.dts_s),
                len(sample.data),
                0x02000000 if sample.key else 0x01010000,
                ticks(sample.pts_s) - ticks(sample.dts_s),
            )
            for sample, end in zip(piece, following, strict=True)
        ]
        moof = _moof(number, ticks(piece[0].dts_s) + _lead(samples), rows)
        media = box(b"mdat", b"".join(sample.data for sample in piece))
        sidx = full(
            b"sidx",
            0,
            0,
            struct.pack(">IIIIHH", 1, SCALE, ticks(piece[0].dts_s) + _lead(samples), 0, 0, 1),
            struct.pack(">III", len(moof) + len(media), following[-1] - ticks(piece[0].dts_s), 0x90000000),
        )
        out += box(b"styp", b"msdh", struct.pack(">I", 0), b"msdhmsix") + sidx + moof + media
    return out


def _lead(samples: Sequence[Sample]) -> int:
    """Decoding times below 0 cannot be stored: the whole is moved."""
    return max(0, -ticks(samples[0].dts_s))


def _moof(number: int, base: int, rows: list[bytes]) -> bytes:
    def build(offset: int) -> bytes:
        trun = full(b"trun", 1, 0xF01, struct.pack(">Ii", len(rows), offset), *rows)
        traf = box(
            b"traf",
            full(b"tfhd", 0, 0x020000, struct.pack(">I", 1)),
            full(b"tfdt", 1, 0, struct.pack(">Q", base)),
            trun,
        )
        return box(b"moof", full(b"mfhd", 0, 0, struct.pack(">I", number)), traf)

    return build(len(build(0)) + 8)


def _table(samples: Sequence[Sample], steps: list[int], offset: int) -> list[bytes]:
    count = len(samples)
    places = []
    for sample in samples:
        places.append(offset)
        offset += len(sample.data)
    shifts = [ticks(sample.pts_s) - ticks(sample.dts_s) for sample in samples]
    keys = [number for number, sample in enumerate(samples, 1) if sample.key]
    return [
        full(b"stts", 0, 0, struct.pack(">I", count), *(struct.pack(">II", 1, step) for step in steps)),
        full(b"ctts", 1, 0, struct.pack(">I", count), *(struct.pack(">Ii", 1, shift) for shift in shifts)),
        full(b"stss", 0, 0, struct.pack(">I", len(keys)), *(struct.pack(">I", key) for key in keys)),
        full(b"stsc", 0, 0, struct.pack(">IIII", 1, 1, 1, 1)),
        full(b"stsz", 0, 0, struct.pack(">II", 0, count), *(struct.pack(">I", len(one.data)) for one in samples)),
        full(b"stco", 0, 0, struct.pack(">I", count), *(struct.pack(">I", place) for place in places)),
    ]


def element(kind: int, body: bytes, *, unknown: bool = False) -> bytes:
    """An EBML element (RFC 8794); `unknown` = without a length, as live muxers write."""
    name = kind.to_bytes((kind.bit_length() + 7) // 8, "big")
    return name + (b"\x01" + b"\xff" * 7 if unknown else struct.pack(">Q", len(body) | 1 << 56)) + body


def recorded_webm(packets: Sequence[tuple[int, bytes, bool]], size: tuple[int, int], each: int = 10) -> bytes:
    """As a browser's MediaRecorder writes VP8: no duration, no cues, no lengths of segment and clusters.

    Args:
        packets: (milliseconds, VP8 frame, whether it is a key frame).
        size: pixels.
        each: frames in a cluster.
    """

    def number(value: int) -> bytes:
        return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")

    head = element(
        0x1A45DFA3,
        element(0x4286, b"\1") + element(0x4282, b"webm") + element(0x4287, b"\4") + element(0x4285, b"\2"),
    )
    info = element(
        0x1549A966, element(0x2AD7B1, number(1_000_000)) + element(0x4D80, b"Chrome") + element(0x5741, b"Chrome")
    )
    video = element(0xE0, element(0xB0, number(size[0])) + element(0xBA, number(size[1])))
    entry = element(0xD7, b"\1") + element(0x73C5, b"\x2a") + element(0x83, b"\1") + element(0x86, b"V_VP8") + video
    body = info + element(0x1654AE6B, element(0xAE, entry))
    for at in range(0, len(packets), each):
        piece = packets[at : at + each]
        begins = piece[0][0]
        blocks = b"".join(
            element(0xA3, b"\x81" + struct.pack(">hB", when - begins, 0x80 if key else 0) + data)
            for when, data, key in piece
        )
        body += element(0x1F43B675, element(0xE7, number(begins)) + blocks, unknown=True)
    return head + element(0x18538067, body, unknown=True)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A RIFF chunk."""
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def camera_avi(pictures: Sequence[bytes], size: tuple[int, int], fps: int, *, index: bool = True) -> bytes:
    """MJPEG in AVI as cheap cameras write it: one stream, `idx1` or none. An empty picture repeats the one before."""
    count, largest = len(pictures), max(map(len, pictures))
    avih = struct.pack(
        "<14I", 1_000_000 // fps, largest * fps, 0, 0x10 if index else 0, count, 0, 1, largest, *size, 0, 0, 0, 0
    )
    strh = struct.pack(
        "<4s4sIHHIIIIIIIIhhhh", b"vids", b"MJPG", 0, 0, 0, 0, 1, fps, 0, count, largest, 10000, 0, 0, 0, *size
    )
    strf = struct.pack("<IiiHH4sIiiII", 40, *size, 1, 24, b"MJPG", size[0] * size[1] * 3, 0, 0, 0, 0)
    strl = b"strl" + chunk(b"strh", strh) + chunk(b"strf", strf)
    hdrl = b"hdrl" + chunk(b"avih", avih) + chunk(b"LIST", strl)
    movi, rows = b"movi", b""
    for picture in pictures:
        rows += struct.pack("<4sIII", b"00dc", 0x10, len(movi), len(picture))
        movi += chunk(b"00dc", picture)
    body = b"AVI " + chunk(b"LIST", hdrl) + chunk(b"LIST", movi) + (chunk(b"idx1", rows) if index else b"")
    return chunk(b"RIFF", body)


def y4m(pictures: Sequence[bytes], size: tuple[int, int], rate: str, aspect: str) -> bytes:
    """YUV4MPEG2 of 4:2:0 pictures."""
    head = f"YUV4MPEG2 W{size[0]} H{size[1]} F{rate} Ip A{aspect} C420jpeg\n".encode()
    return head + b"".join(b"FRAME\n" + picture for picture in pictures)


def ivf(packets: Sequence[tuple[int, bytes]], size: tuple[int, int], rate: int, fourcc: bytes = b"VP80") -> bytes:
    """IVF, times in 1 / rate seconds."""
    head = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, fourcc, *size, rate, 1, len(packets), 0)
    return head + b"".join(struct.pack("<IQ", len(data), when) + data for when, data in packets)


def m2ts(data: bytes) -> bytes:
    """A transport stream with a four-byte arrival time before each packet, as AVCHD camcorders write."""
    return b"".join(
        struct.pack(">I", (at // 188 * 300) & 0x3FFFFFFF) + data[at : at + 188] for at in range(0, len(data), 188)
    )
