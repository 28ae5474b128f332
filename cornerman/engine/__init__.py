"""The engine: the services' cores in one process, without Redis. `cornerman.Coach` is its face."""
