"""Arms: models, limits, obstacles, and the kinematics and dynamics derived from them."""
