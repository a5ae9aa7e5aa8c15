"""Who is measured: one module per framework, each a hand-written loop as its users would write it."""
