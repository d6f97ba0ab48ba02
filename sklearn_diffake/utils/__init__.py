"""Small helpers that every subpackage may use: files, tables, labels, threads, messages."""
