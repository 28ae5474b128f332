"""How well a coach coaches people: labelled clips in, numbers and strips out."""
