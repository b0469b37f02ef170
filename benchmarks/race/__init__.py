"""The speed benchmark's parts: see `benchmarks/speed.py`."""
