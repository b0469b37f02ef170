"""A population whose chunks are trained by other processes, here or on other machines."""
