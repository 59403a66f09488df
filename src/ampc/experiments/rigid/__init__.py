"""Studies of the rigid arm: what the paper claims, tested. Every module with a `STUDY` is one."""
