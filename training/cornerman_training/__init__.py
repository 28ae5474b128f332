"""Synthetic video, data sets, training and evaluation for the coach; imports the model, and no service."""
