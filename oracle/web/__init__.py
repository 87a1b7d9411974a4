"""What a running oracle shows to the outside: metrics, liveness, readiness."""
