"""Small helpers that every subpackage may use: files, tables, labels, threads, messages."""

__all__: list[str] = []
