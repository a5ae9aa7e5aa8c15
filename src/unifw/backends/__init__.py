"""The plugins: one package per framework, with the same four files in each."""
