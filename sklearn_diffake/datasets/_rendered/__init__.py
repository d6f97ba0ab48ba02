"""Rendered faces, genuine and manipulated: a dataset that is computed and not read."""
