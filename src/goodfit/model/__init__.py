"""What leaves the program: the model file and prediction with NumPy alone."""
