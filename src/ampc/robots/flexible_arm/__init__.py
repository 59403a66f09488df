"""An arm with flexible links: its settings, and the lumped-parameter model that is built from them."""
