"""How well a coach does, when it speaks and what it says, against timed truth. Knows no model and no pipeline."""

from cornerman_training.evaluate.messages import Said, Session, SessionResult
from cornerman_training.evaluate.report import Report, evaluate

__all__ = ["Report", "Said", "Session", "SessionResult", "evaluate"]
