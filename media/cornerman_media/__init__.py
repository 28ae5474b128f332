"""Video frames in and out: orientation, scaling, JPEG. No Redis, no torch."""
