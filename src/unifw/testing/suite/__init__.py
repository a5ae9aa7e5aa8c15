"""The tests of the conformance suite; each takes the backend that ``--backend`` names.

Everything is judged by NumPy in float64, most of it also by formulas written out here.
"""
