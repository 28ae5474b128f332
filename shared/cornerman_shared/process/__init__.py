"""The life of a process: runtime, health, watchdog, metrics and logs."""
