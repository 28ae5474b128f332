"""Synthetic video, data sets, training and evaluation for the coach; uses the model, knows no service."""
