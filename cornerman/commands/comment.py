"""`cornerman comment`: running commentary on a video: speak when the picture changes, in the manner of a profile."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from cornerman.commands.run import specs_of, watch_them
from cornerman.local import options
from cornerman.local.run_output import RunOutput
from cornerman_gateway.profiles import PROFILES
from cornerman_shared.bus.messages import CHUNK_FRAMES
from cornerman_shared.errors import ConfigError

Preset = Literal["sentry", "sniper", "owl", "beast"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How closely a scene is watched.

    `fps` frames a second are looked at, every `stride`-th of them is kept, `frames` kept ones make one look. Words
    are due when the picture has changed by `threshold` grey levels (0 = at every look), at most every `interval_s`.
    """

    fps: float
    frames: int
    stride: int
    threshold: float
    interval_s: float

    def settings(self) -> dict[str, Any]:
        """In the terms of sources: chunks of 8 frames at the rate of the kept ones."""
        return {
            "watch": {"sample_fps": self.fps / self.stride, "overlap": CHUNK_FRAMES - 1},
            "speak": {
                "strategy": "scene",
                "scene_threshold": self.threshold,
                "min_interval_s": self.interval_s,
                "context_chunks": math.ceil(self.frames / CHUNK_FRAMES),
                "clear_context": False,
            },
        }


PACES: dict[str, Pace] = {
    "sentry": Pace(fps=2, frames=4, stride=2, threshold=5.0, interval_s=1.0),
    "sniper": Pace(fps=5, frames=4, stride=1, threshold=0.0, interval_s=0.5),
    "owl": Pace(fps=4, frames=8, stride=2, threshold=1.0, interval_s=0.5),
    "beast": Pace(fps=5, frames=10, stride=2, threshold=0.0, interval_s=0.5),
}


def comment(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="What to comment on.")],
    preset: Annotated[
        Preset, typer.Option(help="sentry: calm; sniper: quick; owl: patient; beast: everything.")
    ] = "owl",
    profile: Annotated[
        str, typer.Option(help="What to watch for: description, sports, security, nature.")
    ] = "description",
    prompt: Annotated[str | None, typer.Option(help="What to say, in place of the profile's.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after so long.")] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder back end: fake or mobile_videogpt.")] = None,
    generator: Annotated[
        str | None, typer.Option(help="Generator back end: echo, mobile_videogpt, vlm, openai…")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The generator's model: path or hub name.")] = None,
    as_json: options.Json = False,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006
    verbose: options.Verbose = False,
) -> None:
    """Comment on videos as they go: a sentence when something new is seen, silence otherwise."""
    known = {one.name: one for one in PROFILES}
    if profile not in known:
        raise ConfigError(f"--profile {profile!r}: there is no such profile; there are {', '.join(known)}")
    chosen = options.choose(
        config,
        redis,
        sets,
        options.quiet(verbose),
        PACES[preset].settings(),
        say__prompt=prompt or known[profile].prompt,
        encoder__backend=encoder,
        generator__backend=generator or ("vlm" if model else None),
        generator__model=model,
    )
    specs_of(sources, chosen.settings)  # wrong ones are said before anything else
    screen = RunOutput(as_json=as_json)
    chosen = options.with_models(chosen, screen.note)
    specs = specs_of(sources, chosen.settings, mode="commentary")
    raise typer.Exit(watch_them(chosen, specs, screen, seconds=seconds))
