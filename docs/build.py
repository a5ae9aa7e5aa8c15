"""Write ``docs/support.md`` in both languages from the rules, or with ``--check`` compare."""
