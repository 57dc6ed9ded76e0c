"""The verbs: all rules and all transactions. No web framework in here; `now` is always an argument (UTC ms)."""
