"""goodfit trains neural networks well."""
