"""The abilities that an exported coach states."""

from cornerman_common.abilities import Abilities, folder_abilities
from cornerman_common.bundle import bundled
from cornerman_training.export import ABILITIES


def test_bundled_coach_states_its_abilities() -> None:
    assert folder_abilities(bundled("coach")) == Abilities.of(ABILITIES, "export")
