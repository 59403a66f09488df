"""Studies of the arm with flexible links. Every module with a `STUDY` is one."""
