"""Controllers on paired tasks: metrics of an episode, the benchmark, how sure its figures are, verdicts."""
