"""Programs that turn one file into another by a library that may crash, each in a process of its own."""
