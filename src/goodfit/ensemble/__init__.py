"""Combine what was trained: averages, greedy selection, disagreement."""
