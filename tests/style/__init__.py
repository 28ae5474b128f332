"""Measures of how the code reads, and the bounds that the tests hold."""
