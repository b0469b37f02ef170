"""Train populations: members, legs, lanes and chunks."""
