"""The techniques of training, each written for one member."""
