"""The coach on skeletons: motion, camera and estimator errors without pixels. Trains `cornerman_pose.temporal`."""
