"""The gym: procedural exercise video with the timed feedbacks of a good coach as its truth."""

from cornerman_training.gym.session import GymSession, plan_session
from cornerman_training.gym.video import render_session

__all__ = ["GymSession", "plan_session", "render_session"]
