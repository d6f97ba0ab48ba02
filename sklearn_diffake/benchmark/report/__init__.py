"""The files of results: Markdown, tables, figures, and how they are written."""
