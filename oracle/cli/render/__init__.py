"""The output of the commands: tables and lines for people, JSON for machines; one module for each thing shown."""
