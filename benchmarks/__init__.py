"""Benchmarks: one command a question, beside a peer in the same run, figures as JSON."""

from cornerman_shared.process.logs import configure_inside_program

# Results go to stdout; the bus inside a benchmark's own process logs to stderr, and warnings only.
configure_inside_program()
