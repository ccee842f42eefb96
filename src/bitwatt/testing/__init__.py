"""Conformance suites for what can be added: number formats, technologies."""
