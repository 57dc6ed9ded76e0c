"""Files of this host, always through open folders, never through a path twice: what the tasks and the API share."""
