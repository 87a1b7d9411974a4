"""ezkl, behind a child process."""
