"""The files of results: Markdown, tables, figures, and how they are written."""

__all__: list[str] = []
