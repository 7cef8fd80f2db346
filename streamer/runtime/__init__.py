"""Threads, queues, tracing and counters. Imports nothing of the project."""
