"""Own exercises: learned from a few repetitions, counted and judged. Numpy only; knows neither video nor bus."""
