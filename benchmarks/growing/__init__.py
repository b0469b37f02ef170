"""The parts of the growth benchmark: see `benchmarks/growth.py`."""
