"""One room per process: capture, encoder, decider, generator, gateway."""
