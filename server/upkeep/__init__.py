"""`ops-manager db …`: looking after the database. Reads and writes whole tables, whichever there are; knows no rules of nodes or tasks."""
