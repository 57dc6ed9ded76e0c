"""What is measured on a host (D1): each module turns the platform's counters into sections of a sample.

A collector is a pure function of a `Platform`, the moment and what it saw last time; none ever sleeps.
"""
