"""Mutation testing of rules: work spread over processes and machines, and checks run for real."""

from harness.mutation.run import MutationRun as MutationRun
from harness.mutation.run import run_mutation as run_mutation
