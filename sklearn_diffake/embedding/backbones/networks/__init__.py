"""Architectures of networks in plain torch, and the file format of dlib."""
