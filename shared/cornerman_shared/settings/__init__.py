"""Settings: the tree of all settings, one source, and overrides from flags."""
