"""Decider service: one decision for each chunk, in order, on the media clock; some decisions make a request."""
