"""Tests of gateway/audit."""
