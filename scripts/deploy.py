"""Deploy the feeds of a configuration, in the shortest way: `python scripts/deploy.py oracle.toml`."""

from __future__ import annotations

import sys

import oracle


def main(arguments: list[str]) -> int:
    """Deploy, and print where everything is; return the exit code."""
    if len(arguments) != 1:
        print("usage: python scripts/deploy.py CONFIGURATION", file=sys.stderr)
        return 2
    try:
        config = oracle.load_config(arguments[0])
        deployment = oracle.deploy(config, progress=lambda step: print(step, file=sys.stderr))
        print(f"hub {deployment.hub} on chain {deployment.chain_id}")
        for name, feed in deployment.feeds.items():
            print(f"feed {name}: {feed.aggregator}, {oracle.FeedReader.of(config, name).latest().status.name}")
    except oracle.OracleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
