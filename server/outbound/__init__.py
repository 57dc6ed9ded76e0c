"""What leaves the manager by itself: where it may connect to, how it is signed, written and sent.

Nothing in here reads or writes the database. Addresses are judged when a connection is made, never before (addresses.py).
"""
