"""Read pictures from files, videos and tables."""

__all__: list[str] = []
