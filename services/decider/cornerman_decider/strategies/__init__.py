"""Who proposes when to speak; one strategy a file. `head` and `llm` are imported only when a source asks for them."""
