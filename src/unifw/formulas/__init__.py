"""Layers and losses as formulas, written once over a vocabulary that every framework speaks.

``functional`` is the vocabulary, ``tape`` is NumPy's way to speak it (with gradients, so it is the
reference), the other modules hold the formulas by subject, and ``table`` gathers them. A plugin
takes the formula of every layer, and of every loss, for which it has no rule of its own.
"""
