"""The stages of training, one a file: vision, text, head. Each resumes, logs and draws its own curves."""
