"""Enrolling many machines: tickets, and machines that wait for their person's word."""
