"""How well a coach does, when it speaks and what it says, against timed truth. Knows no model and no pipeline."""

from cornerman_training.evaluate.messages import SessionResult, SpokenFeedback, TimedSession
from cornerman_training.evaluate.report import EvaluationReport, evaluate

__all__ = ["EvaluationReport", "SessionResult", "SpokenFeedback", "TimedSession", "evaluate"]
