"""Read tables and images, encode them, split them, seal the test set (numpy; pandas only to read)."""
