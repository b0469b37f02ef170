"""``python -m goodfit``."""

from goodfit.cli.main import run

if __name__ == "__main__":  # not in a worker, which reads this file anew
    run()
