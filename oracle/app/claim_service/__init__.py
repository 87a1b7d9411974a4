"""The claims service: the desk that has claims proven, its metrics, and how it starts and stops."""
