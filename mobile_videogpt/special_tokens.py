"""Spellings of the tokens that mark turns and actions.

Pure strings: no vocabulary, no ids.
"""

IM_START = "<|im_start|>"
IM_END = "<|im_end|>"
END_OF_TEXT = "<|endoftext|>"
CHAT_TOKENS = (END_OF_TEXT, IM_START, IM_END)
ACTION_TOKENS = ("<next>", "<feedback>", "<correct>")
