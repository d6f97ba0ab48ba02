"""Read pictures from files, videos and tables."""
