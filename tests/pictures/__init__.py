"""Image files of every kind that browsers show: formats, modes and metadata, whole and broken.

Each module has a dictionary PICTURES, by name. All show the same scene, 28×28, as far as their kind can.
"""
