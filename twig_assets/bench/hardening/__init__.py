"""Benchmark `hardening`: attacks on the servers, on what pages show, on files that people give, and on secrets."""
