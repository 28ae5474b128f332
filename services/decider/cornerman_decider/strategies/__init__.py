"""Strategies, one a file. `head` and `llm` load their models only when a source asks for them."""
