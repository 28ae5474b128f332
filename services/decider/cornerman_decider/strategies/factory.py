"""Makes a strategy from settings. Models are loaded once a process, when the first source asks for them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cornerman_common.bundle import bundled
from cornerman_common.model_location import model_path, require_model_extra, torch_device, torch_dtype
from cornerman_decider.strategies.interval import IntervalStrategy
from cornerman_decider.strategies.llm import LlmStrategy
from cornerman_decider.strategies.rules import RulesStrategy
from cornerman_decider.strategies.scene import SceneStrategy
from cornerman_decider.strategy import StrategyError
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_common.exercise_library import ExerciseLibrary
    from cornerman_decider.strategies.llm import ActionModel
    from cornerman_decider.strategy import Strategy
    from cornerman_pose.temporal import TemporalNet
    from cornerman_shared.settings.source import SpeakSettings
    from cornerman_shared.settings.tree import Settings


class Strategies:
    """Makes strategies. `make` may take seconds (it loads models), so call it in a thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._model: ActionModel | None = None
        self._net: TemporalNet | None = None

    def prepare(self) -> None:
        """Loads what sources will need that set no strategy of their own; takes long, so call it in a thread."""
        if self._settings.speak.strategy == "skeleton":
            self._skeleton(self._settings.speak.model_copy(update={"exercises": ()}), None)

    def make(self, speak: SpeakSettings, prompt: str, before: Strategy | None = None) -> Strategy:
        """A strategy for one source; it may go on with what the one before it holds in this process.

        Raises:
            StrategyError: its model is missing or damaged. No other strategy takes its place.
        """
        if speak.strategy == "interval":
            return IntervalStrategy(speak.interval_s, speak.still_motion, speak.pause_still_s)
        if speak.strategy == "rules":
            return RulesStrategy(speak.every_chunks, speak.motion_threshold, speak.motion_release)
        if speak.strategy == "scene":
            return SceneStrategy(speak.scene_threshold)
        try:
            if speak.strategy == "skeleton":
                return self._skeleton(speak, before)
            if speak.strategy == "head":
                from cornerman_decider.strategies.head import HeadStrategy, load_head

                return HeadStrategy(load_head(_head_folder(speak.head)), made_from=f"head={speak.head}")
            return LlmStrategy(self._action_model(), prompt)
        except ConfigError as error:
            raise StrategyError(f"strategy {speak.strategy}: {error}") from error

    def key(self, speak: SpeakSettings, prompt: str) -> tuple[object, ...]:
        """The settings that a strategy is made from; another key asks for a new strategy."""
        made_from = {
            "interval": (speak.interval_s, speak.still_motion, speak.pause_still_s),
            "rules": (speak.every_chunks, speak.motion_threshold, speak.motion_release),
            "scene": (speak.scene_threshold,),
            "head": (speak.head,),
            # A changed file is another exercise.
            "skeleton": (speak.repeat_window_s, *((name, self._library.stamp(name)) for name in speak.exercises)),
            "llm": (prompt,),
        }
        return (speak.strategy, *made_from[speak.strategy])

    @cached_property
    def _library(self) -> ExerciseLibrary:
        # Imported here: sources without own exercises need none of it.
        from cornerman_common.exercise_library import ExerciseLibrary

        return ExerciseLibrary.of(self._settings.gateway.profiles_dir)

    def _skeleton(self, speak: SpeakSettings, before: Strategy | None) -> Strategy:
        # Imported here: sources without skeletons need neither the net nor its table.
        from cornerman_decider.strategies.skeleton import SkeletonStrategy
        from cornerman_pose.reader import bundled_net

        exercises = tuple(self._library.get(name) for name in speak.exercises)
        if isinstance(before, SkeletonStrategy):
            return before.with_settings(speak.repeat_window_s, exercises)
        if self._net is None:
            self._net = bundled_net()
        return SkeletonStrategy(self._net, speak.repeat_window_s, exercises)

    def _action_model(self) -> ActionModel:
        if self._model is None:
            require_model_extra("strategy llm")
            # Imports torch.
            from cornerman_decider.strategies.rolling import RollingActionModel

            settings = self._settings.generator
            path = model_path("generator.model", settings.model)
            device = torch_device("generator.device", settings.device)
            self._model = RollingActionModel.load(path, device, torch_dtype(settings.dtype, device))
        return self._model


def _head_folder(setting: str) -> Path:
    """The folder in the setting; if empty, the bundled head: `head/` of the bundled model, or the model's folder."""
    if setting:
        return Path(setting).expanduser()
    coach = bundled("coach")
    return coach / "head" if (coach / "head").is_dir() else coach
