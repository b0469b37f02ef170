"""``python -m goodfit``."""

from goodfit.cli.main import run

run()
