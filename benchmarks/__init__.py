"""Benchmarks: one command a question, beside a peer in the same run, figures as JSON."""
