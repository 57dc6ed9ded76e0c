"""opsctl: the command line of the REST API (M13). Data on stdout, everything else on stderr; it knows the API and nothing else."""
