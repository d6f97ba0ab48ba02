"""Architectures of networks in plain torch, and the file format of dlib."""

__all__: list[str] = []
