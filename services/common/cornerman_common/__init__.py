"""Code of more than one service, or of services and training: the gate, and the location of a model."""
