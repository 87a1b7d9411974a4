"""The HTTP side of the claims service: admission, jobs and their events, and the OpenAPI page."""
