"""Evaluates the times and texts of a coach's feedback against timed truth. Imports no model and no service."""

from cornerman_training.evaluate.messages import SessionResult, SpokenFeedback, TimedSession
from cornerman_training.evaluate.report import EvaluationReport, evaluate

__all__ = ["EvaluationReport", "SessionResult", "SpokenFeedback", "TimedSession", "evaluate"]
