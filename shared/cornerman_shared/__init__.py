"""What every Cornerman process speaks: messages, streams, bus, config, runtime. Knows no model and imports no torch."""
