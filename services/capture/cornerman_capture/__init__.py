"""Capture: reads video and publishes chunks of 8 frames. The only stage that may drop chunks; it counts them."""
