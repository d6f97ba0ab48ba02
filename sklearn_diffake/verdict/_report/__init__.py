"""The page and the notebook view of a verdict."""
