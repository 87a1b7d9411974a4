"""Deployment: the plan, the run that carries it out step by step, the file that it writes, and the checks."""

from oracle.chain.deploy.check import PUBLIC_CEREMONY, code_problems
from oracle.chain.deploy.file import DeployedCommittee, DeployedFeed, Deployment, load_deployment
from oracle.chain.deploy.plan import CommitteePlan, DeployPlan, FeedPlan, feed_id_of
from oracle.chain.deploy.run import deploy

__all__ = [
    "PUBLIC_CEREMONY",
    "CommitteePlan",
    "DeployPlan",
    "DeployedCommittee",
    "DeployedFeed",
    "Deployment",
    "FeedPlan",
    "code_problems",
    "deploy",
    "feed_id_of",
    "load_deployment",
]
