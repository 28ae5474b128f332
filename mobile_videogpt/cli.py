"""`python -m mobile_videogpt`: describes a checkpoint, or asks it about a video file.

Parses arguments and prints. Commands import torch when they run, so `--help` is fast.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mobile_videogpt.errors import ModelError

DEFAULT_PROMPT = "What is happening in this video?"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="mobile_videogpt", description="Mobile-VideoGPT on the command line.")
    commands = root.add_subparsers(dest="command", required=True)
    describe = commands.add_parser("describe", help="print a checkpoint's sizes and whether it loads")
    describe.add_argument("checkpoint", metavar="CKPT", help="a folder, or OWNER/NAME on the hub")

    run = commands.add_parser("run", help="ask about a video file; the answer is printed as it is written")
    run.add_argument("video", metavar="VIDEO")
    run.add_argument("--model", metavar="CKPT", required=True, help="a folder, or OWNER/NAME on the hub")
    run.add_argument("--prompt", default=DEFAULT_PROMPT)
    run.add_argument("--system", help="system prompt instead of the model's own")
    run.add_argument(
        "--frames",
        choices=("clip", "chunk"),
        default="clip",
        help="clip: 16 frames with selection, as published; chunk: 8 frames, as when streaming",
    )
    run.add_argument("--max-new-tokens", type=int, default=128)
    run.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest token")
    run.add_argument("--lora", metavar="FOLDER", help="an adapter to load")
    run.add_argument("--video-tower", metavar="PTH", help="VideoMamba weights from their own file")
    run.add_argument("--image-tower", metavar="FOLDER", help="CLIP weights from their own folder")
    run.add_argument("--quantize", choices=("4bit", "8bit", "int8"))
    run.add_argument("--device", help="cpu, cuda, cuda:1 …")
    run.add_argument("--dtype", choices=("float32", "bfloat16", "float16"))
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code and prints errors to stderr."""
    options = parser().parse_args(arguments)
    try:
        return _describe(options) if options.command == "describe" else _run(options)
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _describe(options: argparse.Namespace) -> int:
    from mobile_videogpt.describe import describe

    description = describe(options.checkpoint)
    print(description)
    return 0 if description.problem is None else 1


def _run(options: argparse.Namespace) -> int:
    import torch

    from mobile_videogpt.modeling import MobileVideoGPT
    from mobile_videogpt.video_file import spread_frames

    model = MobileVideoGPT.from_pretrained(
        options.model,
        dtype=getattr(torch, options.dtype) if options.dtype else None,
        device=options.device,
        lora=options.lora,
        quantize=options.quantize,
        video_tower=options.video_tower,
        image_tower=options.image_tower,
    )
    count = model.config.clip_frames if options.frames == "clip" else model.config.chunk_frames
    frames = spread_frames(options.video, count)[None]
    tokens = model.encode_clip(frames) if options.frames == "clip" else model.encode_chunk(frames)
    deltas = model.generate(
        [tokens],
        options.prompt,
        system_prompt=options.system,
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
    )
    for delta in deltas:
        print(delta.text, end="", flush=True)
        if (stats := delta.stats) is not None:
            print()
            first = "none" if stats.ttft_s is None else f"{stats.ttft_s:.2f} s"
            print(
                f"[{stats.prompt_tokens} prompt tokens, first token after {first}, {stats.new_tokens} tokens in "
                f"{stats.total_s:.2f} s, ended by {stats.stop_reason}]",
                file=sys.stderr,
            )
    return 0
