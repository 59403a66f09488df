"""Controllers: the protocol they share, feedback laws, and what turns their commands into torques."""
