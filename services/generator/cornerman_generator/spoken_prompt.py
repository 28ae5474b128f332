"""The prompt for models that look at frames and follow instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_pose.facts import prompt_with_facts

if TYPE_CHECKING:
    from cornerman_shared.bus.messages import Request


def spoken_prompt(request: Request) -> str:
    """The prompt for a model that looks at frames: the request's own, the movement seen, and the decision.

    Small decision models know when to speak and what about; a general model finds the words.
    """
    prompt = prompt_with_facts(request.prompt, request.about)
    if not request.known:
        return prompt
    wanted = (
        "Name the one mistake that matters most and say how to correct it, in one short sentence."
        if request.action == "correct"
        else "Say in one short sentence what is done well."
    )
    return f"{prompt}\n{request.known} {wanted} The pictures are in time order, the newest last."
