"""The parts of benchmarks/accuracy.py: tables, peers and their search, scores, records, figures."""
