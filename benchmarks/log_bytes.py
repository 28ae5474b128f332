"""Bytes in the append-only file for each chunk: blobs on a server of their own, and its peer, blobs beside the state.

    python -m benchmarks.log_bytes [--encoder mobile_videogpt]

Runs the bundled clip once each way with a data folder. Prints one JSON object: bytes of the file, chunks, bytes for
each chunk, and gigabytes a day for a source of so many chunks a second of media.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cornerman.local.demo_clip import ASSETS
from cornerman_media.length import length_s
from cornerman_shared.bus.server_address import server_socket, socket_url
from cornerman_shared.settings.tree import load_settings

CLIP = ASSETS / "demo.mp4"
DAY_S = 86_400


def measure(folder: Path, encoder: str, *, together: bool) -> dict[str, Any]:
    """Runs the clip once; `together` keeps the blobs on the server with the append-only file."""
    generator = "echo" if encoder == "fake" else encoder
    run, data = folder / "run", folder / "data"
    flags = [f"runtime.dir={run}", f"redis.data_dir={data}"]
    if together:
        own = server_socket(load_settings({"runtime": {"dir": str(run)}}))
        flags.append(f"redis.blobs_url={socket_url(own)}")
    command = [sys.executable, "-m", "cornerman", "run", str(CLIP), "--lossless", "--json"]
    command += ["--encoder", encoder, "--generator", generator, *(part for flag in flags for part in ("--set", flag))]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    (counts,) = json.loads(out.splitlines()[-1])["sources"].values()
    written = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
    per_chunk, media_s = written / counts["decided"], length_s(CLIP) or 0.0
    return {
        "file_bytes": written,
        "chunks": counts["decided"],
        "bytes_per_chunk": round(per_chunk),
        "gb_per_source_day": round(per_chunk * counts["decided"] / media_s * DAY_S / 1e9, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", choices=("fake", "mobile_videogpt"), default="fake")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        apart = measure(Path(name) / "apart", given.encoder, together=False)
        together = measure(Path(name) / "together", given.encoder, together=True)
    ratio = together["bytes_per_chunk"] / apart["bytes_per_chunk"]
    print(json.dumps({"encoder": given.encoder, "apart": apart, "together": together, "ratio": round(ratio, 1)}))


if __name__ == "__main__":
    main()
