"""The software on a managed host: daemon, agent, and the protocol they share with the manager."""

__version__ = "0.1.0"
