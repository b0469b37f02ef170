"""Row (f2): one search as a script, `python whole.py goodfit|sklearn [--quick]`; prints its scores."""

from __future__ import annotations

import json
import sys

from race import searches

if __name__ == "__main__":
    search = {"goodfit": searches.ours_search, "sklearn": searches.sklearn_search}[sys.argv[1]]
    print(json.dumps(search(searches.problem_of("--quick" in sys.argv))))
