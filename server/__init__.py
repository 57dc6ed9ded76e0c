"""The manager: one asyncio process, two listeners over one set of services. Stateless: every fact is in the database."""
