"""Faces for scikit-learn: thin, validation and then a call down."""
