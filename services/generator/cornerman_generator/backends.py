"""Makes the generator that the settings name. A back end is imported only when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_common.model_location import require_model_extra

if TYPE_CHECKING:
    from cornerman_generator.protocol import Generator
    from cornerman_shared.clock import Clock
    from cornerman_shared.settings.tree import GeneratorSettings


def make_generator(settings: GeneratorSettings, clock: Clock | None = None) -> Generator:
    """The back end that the settings name; may take seconds, so call it in a thread.

    Args:
        settings: of the generator.
        clock: that deadlines of requests are compared with; None = this machine's.

    Raises:
        ConfigError: its model cannot be loaded, or a setting it needs is missing.
    """
    if settings.backend == "echo":
        from cornerman_generator.echo import EchoGenerator

        return EchoGenerator(settings.echo_delay_ms / 1000, settings.echo_hang_at)
    if settings.backend == "openai":
        from cornerman_generator.openai import OpenAIGenerator

        return OpenAIGenerator.load(settings, clock)
    require_model_extra(f"generator.backend = {settings.backend}")
    if settings.backend == "vlm":
        from cornerman_generator.vlm import VlmGenerator

        return VlmGenerator.load(settings)
    if settings.backend == "vllm":
        from cornerman_generator.vllm import VllmGenerator

        return VllmGenerator.load(settings, clock)
    from cornerman_generator.mobile_videogpt import MobileVideoGPTGenerator

    return MobileVideoGPTGenerator.load(settings)
