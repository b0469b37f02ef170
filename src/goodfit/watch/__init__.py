"""The live page of a run, served on this machine's loopback from the run's records."""
