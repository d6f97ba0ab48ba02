"""Files and tables become pictures."""
