"""Configuration files: one module a format, each changes only the span of what is named; and how a file is opened, kept
and replaced. Imported only in a task's own process, for it loads parsers."""
