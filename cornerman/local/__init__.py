"""The library below the commands: launcher, supervisor, server and model choice, pipeline, event lines."""
