"""The words of the coach on skeletons: a projector of joints and a small language half, trained without pixels."""
