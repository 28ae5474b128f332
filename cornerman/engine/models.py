"""The models of an engine, loaded in this process from the resolved choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerman_common.abilities import Abilities
from cornerman_decider.strategies.factory import Strategies
from cornerman_encoder.service import make_encoder
from cornerman_generator.backends import make_generator
from cornerman_generator.owner_words import OwnerFirst
from cornerman_generator.reply_text import BoundedGenerator

if TYPE_CHECKING:
    from cornerman_common.model_parts import ModelChoice
    from cornerman_encoder.protocol import Encoder
    from cornerman_generator.protocol import Generator


@dataclass(frozen=True, slots=True)
class EngineModels:
    """Everything that is loaded.

    Attributes:
        abilities: of the generator's model.
        timeout_s: longest time of one reply, seconds.
    """

    encoder: Encoder
    strategies: Strategies
    generator: Generator
    abilities: Abilities
    timeout_s: float


def load_models(choice: ModelChoice) -> EngineModels:
    """Loads the models; takes seconds.

    Raises:
        ConfigError: a model cannot be loaded.
    """
    settings = choice.settings
    generator = make_generator(settings.generator)
    return EngineModels(
        encoder=make_encoder(settings.encoder),
        strategies=Strategies(settings),
        generator=OwnerFirst(BoundedGenerator(generator, settings.generator.max_reply_chars)),
        abilities=choice.abilities,
        timeout_s=settings.generator.timeout_s,
    )
