"""The claims service: its documents, the jobs that it keeps, and its client. `oracle.web.claims` serves them."""

from oracle.claims.service.client import ClaimsService

__all__ = ["ClaimsService"]
