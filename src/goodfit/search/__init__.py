"""Draw, halve, zoom: the search for good recipes."""
