"""Encoder: turns chunks of frames into features and tokens. Any number of workers may run."""
