"""What the commands are made of: launcher, supervisor, server choice, model choice, event lines."""
