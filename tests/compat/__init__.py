"""Runs the tests with the lowest versions that pyproject.toml allows and with the newest there are."""
