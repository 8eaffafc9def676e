"""Compiled plans: a faster way to execute a document, with the answers of graphql-core."""

from gateway.graphql.plan.compat import engine_schema
from gateway.graphql.plan.plan import Plan, compile_plan, fragments_of

__all__ = ["Plan", "compile_plan", "engine_schema", "fragments_of"]
