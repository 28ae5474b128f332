"""The generator: requests in, streamed words out. Any number of workers and back ends."""
