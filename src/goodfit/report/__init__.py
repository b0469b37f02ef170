"""Figures and one self-contained page, drawn from plain data alone; nothing here trains."""
