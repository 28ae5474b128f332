"""The decider: one decision for each chunk, in order, on the media clock; sometimes a request to say something."""
