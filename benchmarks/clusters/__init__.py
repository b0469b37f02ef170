"""Studies on clusters of real processes, and what befalls them."""
