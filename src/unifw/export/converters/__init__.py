"""Programs that turn one kind of file into another, each in a process of its own, which may crash.

They import nothing of unifw.
"""
