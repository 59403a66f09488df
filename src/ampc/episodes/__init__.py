"""The closed loop, its record, its parallel collection, and demonstrations on disk."""
