"""The conformance suite: every case on a backend, judged by NumPy in float64.

It is shipped, so that a plugin written elsewhere runs the very same tests::

    pytest -p unifw.testing.plugin --backend mine --pyargs unifw.testing.suite

``cases`` lists what is run, as data; ``compare`` does the running; ``suite`` holds the tests. What a
backend states as a gap in its rules is a strict expected failure with the reason that it states.
"""
