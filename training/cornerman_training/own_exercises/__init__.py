"""Exercises that no training ever sees: they measure how own exercises are learned, counted and judged."""
