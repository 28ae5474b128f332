"""Generator service: requests in, streamed text out. Any number of workers and back ends."""
