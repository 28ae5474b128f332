"""The encoder: chunks of frames in, features and tokens out. Any number of workers."""
