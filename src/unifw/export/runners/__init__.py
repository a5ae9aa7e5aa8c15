"""Programs that open and run exported files. They import nothing of unifw: what is checked is the file alone.

Each has a class ``Runtime``; ``drive.py`` says what it offers, and runs it in a process of its own.
"""
