"""Promises of SECURITY.md, kept by real servers under real signals and sockets."""
