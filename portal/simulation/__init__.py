"""Thousands of imaginary agents that poll a real portal, to see how soon they stop.

Only ever in an installation that holds nobody but the demo company.
"""
