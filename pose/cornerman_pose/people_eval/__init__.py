"""Evaluates a coach on labelled clips of people: scores, and an HTML report with a timeline for each clip."""
