"""The stages of training, one per file. Each resumes, logs and draws its own curves."""
