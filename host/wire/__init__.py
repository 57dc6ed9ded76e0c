"""What the manager and a host say to each other.

Standard library only, and nothing else of this project: the manager imports these modules too.
Every message is JSON; unknown fields are ignored, so that either side may be the newer one.
"""
