"""From settings to a generator. Nothing of a back end is imported unless the settings name it."""

from __future__ import annotations

from services.generator.core import Generator
from services.models import require_model_extra
from shared.config import GeneratorSettings


def make_generator(settings: GeneratorSettings) -> Generator:
    """The back end that the settings name; may take seconds, so call it in a thread.

    Raises:
        ConfigError: its model cannot be loaded, or a setting it needs is missing.
    """
    if settings.backend == "echo":
        from services.generator.echo import EchoGenerator

        return EchoGenerator(settings.echo_delay_ms / 1000)
    if settings.backend == "openai":
        from services.generator.openai import OpenAIGenerator

        return OpenAIGenerator.load(settings)
    require_model_extra(f"generator.backend = {settings.backend}")
    if settings.backend == "vlm":
        from services.generator.vlm import VlmGenerator

        return VlmGenerator.load(settings)
    if settings.backend == "vllm":
        from services.generator.vllm import VllmGenerator

        return VllmGenerator.load(settings)
    from services.generator.mobile_videogpt import MobileVideoGPTGenerator

    return MobileVideoGPTGenerator.load(settings)
