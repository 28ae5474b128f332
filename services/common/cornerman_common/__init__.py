"""Code of more than one service, or of services and training: the gate, and where a model lies."""
