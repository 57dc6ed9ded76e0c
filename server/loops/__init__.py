"""Background work. Each module: `EVERY` (seconds) and `async tick(services, now)`; runner.py does the rest."""
