"""Alert rules, pure: what can be watched (metrics.py, rules.py), where a rule stands (states.py), trends, storms, sentences.

No database and no clock in here: observations come with their times, `now` is an argument, the same code runs live and in a preview.
"""
